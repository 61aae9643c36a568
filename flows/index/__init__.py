"""Steps of searching: encode queries, report what was found, fill the vector spaces of new models."""
