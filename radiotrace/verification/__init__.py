"""Verification: checks that need more than the bundle: other records, the model, images. Level by level in radiotrace/commands/verify.py."""
