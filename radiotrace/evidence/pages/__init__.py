"""What the documents for people say, chapter by chapter, taken from the records of a bundle.

How they look is radiotrace/evidence/pages/documents.py.
"""
