"""Verification of a study of the second task."""
