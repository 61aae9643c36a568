"""Media: what a file from outside is, read safely. Identify, decode in a sandbox, make small versions."""
