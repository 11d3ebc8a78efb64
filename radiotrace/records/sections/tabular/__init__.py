"""Sections of params.yaml of the task of tables."""
