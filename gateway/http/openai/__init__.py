"""Routes compatible with OpenAI's API: images, audio, embeddings and models."""
