"""Train a small causal language model from nothing."""
