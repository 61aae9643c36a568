"""Models: the catalogue, their weights, and the pool that keeps them loaded within a memory budget."""
