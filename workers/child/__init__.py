"""The child process of a slot: it executes flow runs one after another and keeps models loaded between them."""
