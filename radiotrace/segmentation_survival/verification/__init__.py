"""What verify makes again of a study of segmentation with survival."""
