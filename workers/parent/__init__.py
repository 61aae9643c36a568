"""The worker's own process: claims flow runs, hands them to child processes and supervises those."""
