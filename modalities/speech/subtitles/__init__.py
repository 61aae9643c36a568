"""Subtitles: cues from segments, their rules, and the files they are written to."""
