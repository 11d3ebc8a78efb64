"""The measures of outlines: those of segmentation. What is measured of survival is no measure of a label, and
stands in the record 'survival'."""

from typing import Any

from radiotrace.segmentation import measures


def __getattr__(name: str) -> Any:
    """The table itself, and no second one that would stay as it was when this was imported."""
    return getattr(measures, name)
