"""Pictures of every accepted format: open, check, develop, and read their properties."""
