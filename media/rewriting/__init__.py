"""Documents in another language: find the texts of a file, and write it again with others in their places."""
