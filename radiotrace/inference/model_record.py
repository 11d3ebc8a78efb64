"""The record 'released_model' of the released file, as it follows from a run.

Called by the stage export and by verify, and by nothing that trains, so that its parameters are theirs alone.
"""

from collections.abc import Sequence

import numpy as np

from radiotrace.imaging import turning
from radiotrace.inference import sliding
from radiotrace.records.dataset import Case, Dataset
from radiotrace.records.metrics import Decisions
from radiotrace.records.model import (
    Extremes,
    Inference,
    IntensityRange,
    LearntFrom,
    Parity,
    ReleasedModel,
    Tensor,
)
from radiotrace.records.sections.segmentation.export import ExportParams
from radiotrace.records.train import TrainingRun
from radiotrace.records.typed import picked

AXES = ("n", "channel", "z", "y", "x")
FILE, RECORD = "model.onnx", "model.json"
INPUT = Tensor("image", "float32", AXES)
OUTPUT = Tensor("logits", "float32", AXES)
FLAGGED_BY = "prediction"  # the uncertainty of which one prediction has all that it takes
STEPS = (
    "values: as the file means them, slope and intercept applied; channels in the order of "
    "preprocessing.channels, each treated by itself in the steps up to normalise.",
    "orientation: permute and flip the axes, without interpolation, so that x, y and z point to the nearest "
    "of preprocessing.orientation's letters (R right, L left, A front, P back, S head, I feet). Arrays are "
    "z, y, x; three numbers in this record are along x, y, z.",
    "spacing: where preprocessing.spacing_mm is null, keep the image's own. Else interpolate linearly onto "
    "voxels of that size over the same extent, whose corners stay in place: round(size * old / new) voxels, "
    "halves to even, at least 1; beyond the outermost centres the nearest value. An axis of one voxel keeps "
    "its spacing.",
    "normalise: in float64. Where intensities stands there: clip to its low and high, subtract its mean, "
    "divide by its sd. Else clip to the two clip_percentiles of the whole volume (linear between ranks), "
    "subtract the mean of all voxels, divide by their standard deviation (divisor n); a volume of one value "
    "becomes 0. Then float32.",
    "window: along each axis max(patch_voxels, min(window_voxels, size rounded up to a multiple of "
    "preprocessing.multiple)); 1 where patch_voxels is 1.",
    "padding: where an axis is shorter than its window, add padding_value before and behind, half of what "
    "is missing, rounded down, before.",
    "windows: they begin at 0 and then step after step, int(edge * (1 - window_overlap)), at least 1; the "
    "last one is moved back to end with the axis. One that is as long as the axis is the only one.",
    "weights: where windows overlap, average their logits. Along an axis the weight is exp(-d * d / (2 * "
    "s * s)), d the distance from (edge - 1) / 2 in voxels, s = window_sigma * edge; over axes it is the "
    "product, raised to window_weight_min, or to its smallest value where that is larger. Then cut off what "
    "was added.",
    "offsets: add preprocessing.logit_offsets, where there are any, to the logits, once.",
    "labels: where the spacing was kept, the label of the largest logit, the lowest of equals, with the axes "
    "turned back to those of the image. Else softmax over the labels, each share interpolated linearly onto "
    "the image's grid, beyond the outermost centres the nearest value; then the label of the largest.",
    "review: of each label but 0 that is predicted, 1 - 2 i / (w + v): i the sum of its softmax over voxels "
    "where it has the largest logit, w over all voxels, v how many voxels that are, in float64, on the grid "
    "that the network saw, without temperature. The mean over these labels is the expected Dice loss, 0 "
    "where none is predicted; above review_above the case goes to an expert.",
)
INFERENCE = Inference(1, STEPS, 0.0, sliding.OVERLAP, sliding.SIGMA, sliding.WEIGHT_MIN)


def released(
    train: TrainingRun,
    dataset: Dataset,
    decisions: Decisions,
    settings: ExportParams,
    sha256: str,
    parity: Parity,
) -> ReleasedModel:
    """The record 'released_model': all but the file's hash and the measured parity follows from the training
    run, the data set, what was decided on the validation part, and the parameters.

    Args:
        sha256: of the released file.
    """
    return picked(
        ReleasedModel,
        train,
        notice="Research software; not for diagnosis.",
        file=FILE,
        sha256=sha256,
        format="onnx",
        opset=settings.opset,
        modality=dataset.dataset.modality,
        inference=INFERENCE,
        learnt_from=learnt_from(train, dataset),
        temperature=decisions.temperature,
        review_above=decisions.flag_above.get(FLAGGED_BY),
        input=INPUT,
        output=OUTPUT,
        parity=parity,
        params=settings,
    )


def learnt_from(train: TrainingRun, dataset: Dataset) -> LearntFrom:
    """What the images are that a run learnt from and was followed on."""
    names = {*train.cases.train, *train.cases.validation}
    cases = [case for case in dataset.cases if case.case_id in names]
    orientation = train.preprocessing.orientation
    return LearntFrom(
        data_root_sha256=dataset.dataset.root_sha256,
        cases=len(cases),
        subjects=len({case.subject_id for case in cases}),
        spacing_mm=_extremes([_axes_mm(case, orientation)[0] for case in cases]),
        size_mm=_extremes([_axes_mm(case, orientation)[1] for case in cases]),
        intensity=tuple(
            _intensities([case.images[number] for case in cases]) for number in range(len(cases[0].images))
        ),
    )


def _axes_mm(case: Case, orientation: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Spacing and size along x, y, z of the orientation, in mm."""
    grid = case.image.grid
    if grid is None:
        raise ValueError(f"{case.case_id}: nothing is learnt from a file that cannot be read")
    size = [count * edge for count, edge in zip(grid.size_voxels, grid.spacing_mm, strict=True)]
    return (
        turning.along(grid.spacing_mm, grid.direction, orientation),
        turning.along(size, grid.direction, orientation),
    )


def _extremes(of_cases: Sequence[tuple[float, ...]]) -> Extremes:
    low, high = np.min(of_cases, 0).tolist(), np.max(of_cases, 0).tolist()
    return Extremes(tuple(low), tuple(high))


def _intensities(files) -> IntensityRange:
    """Of a channel.

    Args:
        files: ImageFile of each case.
    """
    known = [file.intensity for file in files if file.intensity and file.intensity.p0_5 is not None]
    if not known:
        return IntensityRange(None, None)
    return IntensityRange(min(row.p0_5 for row in known), max(row.p99_5 for row in known))
