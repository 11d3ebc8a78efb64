"""What verify makes again of a study of classification."""
