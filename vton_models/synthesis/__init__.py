"""A model's own results as new training shards."""
