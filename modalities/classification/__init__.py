"""Texts and vectors to labels with probabilities, or to numbers."""
