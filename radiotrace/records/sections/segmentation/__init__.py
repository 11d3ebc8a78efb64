"""Sections of params.yaml that only a segmentation has."""
