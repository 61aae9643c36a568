"""Texts that are read aloud beside a recording."""
