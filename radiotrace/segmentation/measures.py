"""The measures of a label map: the one table from which cases, metrics, report, methods, model card and bills
are filled.

To add a measure, add its entry here and its function to overlap.py or surfaces.py, then run 'make deps', so
that criteria may name it.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from radiotrace.segmentation import overlap, surfaces
from radiotrace.statistics import measure
from radiotrace.statistics.measure import Measure


@dataclass(frozen=True, eq=False)
class Pair:
    """One label of one case by reference and by prediction; what several measures need is computed once.

    Attributes:
        reference, prediction: bool arrays of one shape, (z, y, x).
        spacing_zyx: edges of a voxel, in mm.
        tolerance_mm: distance up to which surfaces count as agreeing.
    """

    reference: np.ndarray
    prediction: np.ndarray
    spacing_zyx: tuple[float, float, float]
    tolerance_mm: float

    @cached_property
    def confusion(self) -> overlap.Confusion:
        """Voxels by what the reference says."""
        return overlap.confusion(self.reference, self.prediction)

    @cached_property
    def agreement(self) -> surfaces.Agreement:
        """Distances and agreements of the surfaces."""
        return surfaces.compare(self.reference, self.prediction, self.spacing_zyx, self.tolerance_mm)

    @cached_property
    def reference_mm3(self) -> float:
        """Volume of the reference."""
        return self._volume_mm3(self.reference)

    @cached_property
    def prediction_mm3(self) -> float:
        """Volume of the prediction."""
        return self._volume_mm3(self.prediction)

    @property
    def volume_error_mm3(self) -> float:
        """Prediction minus reference."""
        return self.prediction_mm3 - self.reference_mm3

    @property
    def volume_error_percent(self) -> float | None:
        """Of the reference; None without reference."""
        return 100 * self.volume_error_mm3 / self.reference_mm3 if self.reference_mm3 else None

    @property
    def is_empty(self) -> bool:
        """Whether the label is neither there nor predicted."""
        return not self.reference_mm3 and not self.prediction_mm3

    def _volume_mm3(self, mask: np.ndarray) -> float:
        return int(mask.sum()) * float(np.prod(self.spacing_zyx))


def _amount(value: float | None) -> float | None:
    return None if value is None else abs(value)


TABLE = measure.table(
    Measure(
        name="dice",
        title="Dice",
        digits=3,
        better="larger",
        kind="share",
        headline=True,
        one_where_rightly_empty=True,
        definition="2 TP / (2 TP + FP + FN), in voxels; undefined where both masks are empty",
        source="Dice 1945, doi:10.2307/1932409",
        of=lambda pair: pair.confusion.dice,
    ),
    Measure(
        name="iou",
        title="IoU",
        digits=3,
        better="larger",
        kind="share",
        one_where_rightly_empty=True,
        definition="TP / (TP + FP + FN); undefined where both masks are empty",
        source="Jaccard 1912, doi:10.1111/j.1469-8137.1912.tb05611.x",
        of=lambda pair: pair.confusion.iou,
    ),
    Measure(
        name="surface_dice",
        title="Surface Dice",
        digits=3,
        better="larger",
        kind="share",
        headline=True,
        one_where_rightly_empty=True,
        definition="share of both surfaces, by area, within {surface_tolerance_mm:g} mm of the other; 0 "
        "where one mask is empty, undefined where both are",
        source="Nikolov et al. 2021, doi:10.2196/26151",
        of=lambda pair: pair.agreement.surface_dice,
    ),
    Measure(
        name="boundary_f1",
        title="Boundary F1",
        digits=3,
        better="larger",
        kind="share",
        one_where_rightly_empty=True,
        definition="harmonic mean of the shares of either surface's voxels within {surface_tolerance_mm:g} "
        "mm of the other; as surface_dice where masks are empty",
        source="Csurka et al. 2013, doi:10.5244/C.27.32",
        of=lambda pair: pair.agreement.boundary_f1,
    ),
    Measure(
        name="hausdorff95_mm",
        title="HD95",
        unit="mm",
        digits=2,
        better="smaller",
        kind="amount",
        headline=True,
        definition="95th percentile of the distances of surface voxels to the other surface, the larger of "
        "both ways; undefined where a mask is empty",
        source="Huttenlocher et al. 1993, doi:10.1109/34.232073",
        of=lambda pair: pair.agreement.hausdorff95_mm,
    ),
    Measure(
        name="average_surface_distance_mm",
        title="Average surface distance",
        unit="mm",
        digits=3,
        better="smaller",
        kind="amount",
        definition="mean of the same distances, pooled over both ways; undefined where a mask is empty",
        source="Heimann et al. 2009, doi:10.1109/TMI.2009.2013851",
        of=lambda pair: pair.agreement.average_surface_distance_mm,
    ),
    Measure(
        name="sensitivity",
        title="Sensitivity",
        digits=3,
        better="larger",
        kind="share",
        definition="TP / (TP + FN); undefined without reference",
        of=lambda pair: pair.confusion.sensitivity,
    ),
    Measure(
        name="specificity",
        title="Specificity",
        digits=4,
        better="larger",
        kind="share",
        definition="TN / (TN + FP); grows with the empty ground around an organ",
        of=lambda pair: pair.confusion.specificity,
    ),
    Measure(
        name="ppv",
        title="PPV",
        digits=3,
        better="larger",
        kind="share",
        definition="TP / (TP + FP); undefined without prediction",
        of=lambda pair: pair.confusion.ppv,
    ),
    Measure(
        name="npv",
        title="NPV",
        digits=4,
        better="larger",
        kind="share",
        definition="TN / (TN + FN); grows with the empty ground around an organ",
        of=lambda pair: pair.confusion.npv,
    ),
    Measure(
        name="volume_error_mm3",
        title="Volume error",
        unit="mm³",
        digits=0,
        better=None,
        kind="signed",
        can_be_undefined=False,
        definition="prediction minus reference",
        of=lambda pair: pair.volume_error_mm3,
    ),
    Measure(
        name="volume_error_percent",
        title="Volume error",
        unit="%",
        digits=1,
        better=None,
        kind="signed",
        headline=True,
        definition="of the reference; undefined without reference",
        of=lambda pair: pair.volume_error_percent,
    ),
    Measure(
        name="volume_error_absolute_mm3",
        title="Volume error, absolute",
        unit="mm³",
        digits=0,
        better="smaller",
        kind="amount",
        can_be_undefined=False,
        definition="its amount",
        of=lambda pair: abs(pair.volume_error_mm3),
    ),
    Measure(
        name="volume_error_absolute_percent",
        title="Volume error, absolute",
        unit="%",
        digits=1,
        better="smaller",
        kind="amount",
        definition="its amount",
        of=lambda pair: _amount(pair.volume_error_percent),
    ),
    Measure(
        name="prediction_components",
        title="Components predicted",
        digits=2,
        better=None,
        kind="count",
        can_be_undefined=False,
        definition="connected by faces, edges or corners",
        of=lambda pair: overlap.components(pair.prediction),
    ),
)
