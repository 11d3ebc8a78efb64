"""The pipeline: parameters, provenance, how a stage runs, work in parallel, the datastore.

Knows nothing of images or tasks.
"""
