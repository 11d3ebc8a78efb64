"""Images: volumes and their geometry, data set formats, checks, identity."""
