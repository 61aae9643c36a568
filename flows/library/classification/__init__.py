"""Classifiers in use: what they predicted, the labels they put on, and what people said about that."""
