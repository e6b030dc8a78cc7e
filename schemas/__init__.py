"""The ground floor: labels, columns, codecs and shards. Needs numpy, pyarrow and Pillow only."""
