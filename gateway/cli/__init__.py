"""The command line: commands, and the functions that they share."""
