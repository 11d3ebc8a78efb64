"""Searching parameters of training: what may be chosen, who proposes, who trains, and the ledger of trials.

Only the command `search` stands on it, with the pins of requirements/search.txt.
"""
