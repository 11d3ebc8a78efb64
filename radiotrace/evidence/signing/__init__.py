"""Signing: keys, envelopes, statements, and whether a signature holds."""
