"""Synthetic: data sets that are made by a seed, of which the truth is known. No stage reaches this folder."""
