"""How a flow runs: settings, the composition root, run contexts under Prefect or in the caller's own process."""
