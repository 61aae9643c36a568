"""What a model must not change: copied spans, numbers, capitals, marks; and the phrases that are known by heart."""
