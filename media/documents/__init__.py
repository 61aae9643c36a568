"""Read documents: their text with pages, slides, sheets or chapters, and the pictures inside."""
