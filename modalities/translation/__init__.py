"""Translation: lines of text from one language into another."""
