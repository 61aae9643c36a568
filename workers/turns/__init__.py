"""Scheduling: when to poll for runs, which waiting run starts next, and on which free slot."""
