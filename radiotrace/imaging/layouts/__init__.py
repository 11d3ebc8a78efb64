"""Layouts of data sets other than those that ingest reads, and how they become one that it reads.

No stage reaches this folder: it is for the commands new and inspect. which.py decides what a folder looks
like, listing.py which files belong together, reading.py and pictures.py what one file holds, checking.py
whether all of it fits; writing.py lays it out.
"""
