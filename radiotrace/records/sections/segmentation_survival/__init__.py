"""Sections of params.yaml that only a segmentation with survival has."""
