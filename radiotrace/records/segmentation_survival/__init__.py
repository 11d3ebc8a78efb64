"""Records that only a segmentation with survival has."""
