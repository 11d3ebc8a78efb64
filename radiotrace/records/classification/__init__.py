"""Records of a classification: a module for each."""
