"""The servers of the embedded stack: how each is started, and how it is asked whether it answers."""
