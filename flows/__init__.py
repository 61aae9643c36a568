"""Prefect flows, one file each. A flow orders the steps of its work; operators of modalities/ do them."""
