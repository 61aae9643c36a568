"""What keeps a bucket whole: inspection, garbage collection, backup, the version of its layout."""
