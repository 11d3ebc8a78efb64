"""Stages of a segmentation with survival that are its own; the others are those of segmentation."""
