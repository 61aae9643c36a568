"""The embedded stack: the servers and workers of one machine, from installed packages alone."""
