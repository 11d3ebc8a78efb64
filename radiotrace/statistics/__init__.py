"""Statistics: arrays in, numbers out. Knows nothing of images or tasks."""
