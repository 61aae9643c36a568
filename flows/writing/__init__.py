"""Writing: causal language models go on with what they are told."""
