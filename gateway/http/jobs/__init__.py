"""Jobs: runs of deployments on behalf of people, followed to their end."""
