"""Generation: pictures from words, or from another picture and words."""
