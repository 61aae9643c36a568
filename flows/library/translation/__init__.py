"""Texts and documents in another language, and the terms that a project keeps."""
