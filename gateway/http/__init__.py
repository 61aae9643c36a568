"""The HTTP API: the app, who may use it, jobs, and the routes of each API."""
