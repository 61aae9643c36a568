"""Datasets from what people labelled, training on them, and labels by what was trained."""
