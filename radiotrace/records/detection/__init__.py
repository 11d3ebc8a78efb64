"""Records of a detection: a module for each."""
