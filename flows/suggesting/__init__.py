"""Suggestions: what a person may like, and what goes with an artifact."""
