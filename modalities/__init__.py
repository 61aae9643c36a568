"""What models do: one package per modality, the types that they share, and the machinery that loads models."""
