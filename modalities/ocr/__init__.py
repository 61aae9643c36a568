"""Pictures to the text that is written in them."""
