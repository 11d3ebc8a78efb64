"""Records of the task of tables."""
