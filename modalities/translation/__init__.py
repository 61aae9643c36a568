"""Translation: texts in one language become texts in another."""
