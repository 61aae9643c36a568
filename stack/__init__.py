"""The embedded stack: start, supervise and stop all servers and workers on one machine, without containers."""
