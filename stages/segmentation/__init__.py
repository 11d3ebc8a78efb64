"""Scripts of the stages whose work depends on the task: segmentation."""
