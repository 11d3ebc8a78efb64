"""The task classification: which classes a picture has."""
