"""The upkeep of a bucket: integrity checks, garbage collection, backup and migration."""
