"""Start and probe each server of the embedded stack, and prepare it for use."""
