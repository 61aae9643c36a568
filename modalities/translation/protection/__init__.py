"""What a model must not change: copied spans, numbers, capitals, marks; and the tables of phrases."""
