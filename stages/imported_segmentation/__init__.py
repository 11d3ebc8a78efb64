"""Stages of a segmentation whose model was made elsewhere, where they are its own."""
