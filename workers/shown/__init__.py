"""Observability: the worker's status as a file, over HTTP, as Prometheus metrics and as an artifact in Prefect's UI."""
