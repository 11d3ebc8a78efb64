"""Sections of the params.yaml of a detection."""
