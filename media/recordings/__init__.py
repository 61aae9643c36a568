"""Recordings, piece by piece."""
