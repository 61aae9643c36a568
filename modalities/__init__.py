"""Modalities do it: one file per thing models do, and the contract they share."""
