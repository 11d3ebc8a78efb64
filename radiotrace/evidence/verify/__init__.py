"""Verifying without trust in those who made the bundle. Needs neither torch nor images."""
