"""The routes of our own HTTP API, one file per resource."""
