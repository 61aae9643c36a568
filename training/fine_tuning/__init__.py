"""Fine-tuning an encoder for labels or ratings of texts."""
