"""Workers: the Prefect work-pool type whose processes keep models loaded between runs."""
