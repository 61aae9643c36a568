"""Embedding: pictures and texts as vectors; near vectors mean similar things."""
