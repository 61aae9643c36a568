"""The child process of one slot: runs flows, one after another, and keeps their models loaded."""
