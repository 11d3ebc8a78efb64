"""Stages of the task classification."""
