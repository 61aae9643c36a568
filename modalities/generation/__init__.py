"""Generation: pictures from prompts."""
