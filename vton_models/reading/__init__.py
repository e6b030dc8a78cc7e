"""Shards as batches: which files, in which order, decoded and collated."""
