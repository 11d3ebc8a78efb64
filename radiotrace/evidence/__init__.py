"""Evidence: acceptance and the bundle. Reads records; needs neither torch nor images."""
