"""The worker's own process: takes runs from Prefect, hands them to child processes, watches over them."""
