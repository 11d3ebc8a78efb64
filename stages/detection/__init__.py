"""Stages of a detection."""
