"""Public data sets: what there is, under which licence, and how it is brought and held against hashes."""
