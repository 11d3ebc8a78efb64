"""Segmentation: the task whose target is a label map. No other task imports it."""
