"""Sections of params.yaml of a segmentation whose model was made elsewhere."""
