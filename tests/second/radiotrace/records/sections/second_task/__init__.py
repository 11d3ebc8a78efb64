"""Sections of params.yaml that only the second task has."""
