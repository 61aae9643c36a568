"""Classifiers on the vectors of an encoder: fitting, calibration, evaluation, and the gate before publication."""
