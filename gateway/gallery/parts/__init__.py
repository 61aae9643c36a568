"""Data that pages show: cards, facts, transcripts, collections and the form for pictures."""
