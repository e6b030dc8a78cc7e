"""A finished build: its manifest, its shards in order, the tables and the card beside them, and shards of shards."""
