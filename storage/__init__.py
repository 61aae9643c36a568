"""Storage keeps it: the bucket, artifacts, records, recipes and the search index."""
