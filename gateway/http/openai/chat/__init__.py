"""OpenAI's chat completions, with the library as context."""
