"""How a flow runs: settings, the composition root, and run contexts under Prefect or in the caller's own process."""
