"""Sources to shards: read, extract, identify, normalize, filter, deduplicate, split, write."""
