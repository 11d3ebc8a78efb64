"""Clinic: what a prediction looks like to those who use it: a picture, a page, DICOM results."""
