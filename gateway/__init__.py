"""The gateway: the command line, the HTTP server and the embedded stack."""
