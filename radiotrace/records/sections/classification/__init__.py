"""Sections of the params.yaml of a classification."""
