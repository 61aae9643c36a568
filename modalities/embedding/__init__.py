"""Embedding: pictures and texts as vectors, compared by cosine similarity."""
