"""Layouts of clips and stills, whose entries yield object pairs."""
