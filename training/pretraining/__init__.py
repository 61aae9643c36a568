"""Pretraining a small BERT from nothing: WordPiece, masked language modelling and next-sentence prediction."""
