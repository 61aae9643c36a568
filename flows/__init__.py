"""Flows order the work: one file per Prefect flow, each a sentence."""
