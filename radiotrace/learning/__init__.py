"""Learning: data, augmentation, networks, losses, checkpoints, inference."""
