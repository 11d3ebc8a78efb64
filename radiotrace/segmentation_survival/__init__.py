"""The task segmentation_survival: lesions and the hazard of an event, by one network."""
