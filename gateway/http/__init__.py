"""The HTTP API: the app, authentication, limits, jobs, and the routes of each API."""
