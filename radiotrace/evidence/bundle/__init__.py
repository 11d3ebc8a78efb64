"""The bundle: which records it holds, and that they agree."""
