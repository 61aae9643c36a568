"""The recipe of the translation models."""
