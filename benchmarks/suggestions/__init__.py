"""Suggestions measured offline, on simulated people."""
