"""Stages of the second task."""
