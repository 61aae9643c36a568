"""The recipe of the icon model."""
