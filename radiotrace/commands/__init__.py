"""Commands: those of `python -m radiotrace` that need more than a few lines.

Each imports what it computes with when it runs.
"""
