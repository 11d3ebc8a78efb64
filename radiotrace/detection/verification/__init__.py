"""What verify makes again of a detection."""
