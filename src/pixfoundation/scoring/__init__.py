"""Scores of a run directory: pure functions, no model needed."""
