"""Systems that are trained and sampled from shards; they arrive one file each."""
