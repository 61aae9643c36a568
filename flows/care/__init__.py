"""The flows and functions that look after what is kept: verify, repair, retain, collect garbage, rebuild."""
