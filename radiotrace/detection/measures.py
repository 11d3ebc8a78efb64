"""The measures of a label of an image: the one table from which cases, metrics, report, methods, model card
and bills are filled.

To add a measure, add its entry here, then run 'make deps', so that criteria may name it. What needs all
images at once, such as average precision, stands in results.py.
"""

from dataclasses import dataclass

from radiotrace.statistics import measure
from radiotrace.statistics.measure import Measure


@dataclass(frozen=True)
class Counted:
    """One label of one image, at the score of the validation part.

    Attributes:
        found, missed: boxes of the reference. invented: shown boxes that are none of it.
    """

    found: int
    missed: int
    invented: int


def f1(found: int, missed: int, invented: int) -> float | None:
    """2 found / (2 found + missed + invented); None where nothing is there and nothing was shown."""
    total = 2 * found + missed + invented
    return 2 * found / total if total else None


TABLE = measure.table(
    Measure(
        name="f1",
        title="F1",
        digits=3,
        better="larger",
        kind="share",
        headline=True,
        definition="2 found / (2 found + missed + invented) boxes of an image, at the score of the "
        "validation part; a box is found by one that overlaps it by {hit_overlap:g} (IoU) at least. "
        "Undefined where the image has no box of the label and none was shown",
        of=lambda one: f1(one.found, one.missed, one.invented),
    ),
    Measure(
        name="sensitivity",
        title="Sensitivity",
        digits=3,
        better="larger",
        kind="share",
        headline=True,
        definition="share of the boxes of an image that are found. Undefined where the image has none",
        of=lambda one: one.found / (one.found + one.missed) if one.found + one.missed else None,
    ),
    Measure(
        name="false_positives",
        title="False positives",
        unit="an image",
        digits=2,
        better="smaller",
        kind="count",
        headline=True,
        can_be_undefined=False,
        definition="boxes of an image that were shown and are none of the reference",
        of=lambda one: one.invented,
    ),
    Measure(
        name="count_error",
        title="Error of the count",
        unit="boxes",
        digits=2,
        better=None,
        kind="signed",
        can_be_undefined=False,
        definition="boxes that were shown minus boxes of the reference, of an image",
        of=lambda one: one.invented - one.missed,
    ),
    Measure(
        name="count_error_absolute",
        title="Absolute error of the count",
        unit="boxes",
        digits=2,
        better="smaller",
        kind="count",
        can_be_undefined=False,
        definition="the same without its sign",
        of=lambda one: abs(one.invented - one.missed),
    ),
)


def row(counted: Counted) -> dict[str, float | int | None]:
    """Name of each measure -> its value."""
    return {one.name: one.of(counted) for one in TABLE}
