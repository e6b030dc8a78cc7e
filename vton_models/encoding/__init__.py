"""What a system's frozen networks make of records, as columns of new shards."""
