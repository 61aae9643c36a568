"""Training of the starter models: recipes, the pipeline that runs them, precision and progress."""
