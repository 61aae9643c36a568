"""Vectors of texts and pictures to labels with probabilities."""
