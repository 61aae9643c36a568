"""What pages are made of: cards, facts, transcripts, collections."""
