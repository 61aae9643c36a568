"""Datasets: immutable lists of items with labels and splits, versions of them, and personal data in them."""
