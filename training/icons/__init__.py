"""The training recipe of the icon model."""
