"""Inference: from an image to a label map, with a network that is a callable."""
