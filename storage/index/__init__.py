"""The search index and the lists of the library: rows in Postgres that can be dropped and rebuilt from the bucket."""
