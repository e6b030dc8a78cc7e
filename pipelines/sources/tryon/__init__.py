"""Layouts of try-on datasets, one file each; helpers begin with an underscore."""
