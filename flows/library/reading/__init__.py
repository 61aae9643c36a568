"""What is in files: contents that are read once, the parts of search, pictures inside, sidecars."""
