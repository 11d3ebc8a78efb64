"""Traceability: what hangs together with what, from needs to tests and code and back."""
