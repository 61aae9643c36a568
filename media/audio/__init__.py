"""Channels of sound, and sound files."""
