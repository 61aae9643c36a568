"""How a flow runs: settings, the composition root, jobs under Prefect or in the caller's own process."""
