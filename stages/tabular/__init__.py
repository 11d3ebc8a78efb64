"""Stages of the task tabular."""
