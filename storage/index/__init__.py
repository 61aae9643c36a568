"""The search index and the artifact lists: tables in Postgres that can be dropped and rebuilt from the bucket."""
