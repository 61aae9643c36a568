"""Text in, text out: causal language models."""
