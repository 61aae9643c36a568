"""Maintenance of stored data: verify, repair, retain, collect garbage, rebuild, migrate."""
