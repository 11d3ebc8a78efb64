"""Verification of a segmentation study: what needs images or the network.

The levels are in radiotrace/commands/verify.py.
"""
