"""The site of a study: pages in which people find everything that a run left, and decide."""
