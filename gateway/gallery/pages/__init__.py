"""The pages of the gallery, one file per page."""
