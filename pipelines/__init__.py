"""Apache Beam pipelines: dataset layouts in, validated shards out."""
