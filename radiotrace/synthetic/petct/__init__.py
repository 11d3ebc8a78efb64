"""PET/CT of the head and neck with lesions, and survival that depends on them: docs/petct.md.

subject.py makes one subject out of space, anatomy, lesions and scanner; survival.py draws times;
folder.py writes the data set. Everything is drawn by subject: [seed, number].
"""
