"""Sections of params.yaml: a module for each stage, so that a stage's code has no parameter of another."""
