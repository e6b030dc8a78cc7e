"""Command lines of every package: flags from dataclasses, one-line errors, tables."""
