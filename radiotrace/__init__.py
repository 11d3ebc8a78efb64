"""Radiotrace: what the stages share. Knows nothing of stages; `python -m radiotrace` is the command line."""
