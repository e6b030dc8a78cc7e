"""Sections of the page, a file each, in terms of `schemas.pages`."""
