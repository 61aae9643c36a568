"""What a worker shows of itself: status, metrics, an artifact in Prefect's UI."""
