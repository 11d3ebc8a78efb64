"""DICOM as input: from a tree of mixed files to volumes with label maps, or the reasons why not.

No stage reaches this folder: it is for the command from-dicom, with the pins of requirements/dicom.txt.
Lengths are mm, world coordinates LPS, as DICOM has them.
"""
