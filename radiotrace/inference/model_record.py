"""The record 'released_model' of the released file, as it follows from a run.

Called by the stage export and by verify, and by nothing that trains, so that its parameters are theirs alone.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from radiotrace import records
from radiotrace.imaging import bias_field, turning
from radiotrace.inference import sliding
from radiotrace.inference.recipe import Recipe
from radiotrace.records.contract import UNKNOWN
from radiotrace.records.dataset import Case, Dataset
from radiotrace.records.imported_run import ImportedRun
from radiotrace.records.metrics import Decisions
from radiotrace.records.model import (
    Extremes,
    Golden,
    Inference,
    IntensityRange,
    LearntFrom,
    Parity,
    ReleasedModel,
    Tensor,
)
from radiotrace.records.model_run import ModelRun
from radiotrace.records.preprocessing import Preprocessing
from radiotrace.records.sections.segmentation.export import ExportParams, ReleasedLabel
from radiotrace.records.typed import picked

AXES = ("n", "channel", "z", "y", "x")
FILE, RECORD, CARD = "model.onnx", "model.json", "MODEL_CARD.md"
# Of labels that nobody gave one: Okabe and Ito's, which people with colour blindness tell apart.
COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")
INPUT = Tensor("image", "float32", AXES)
OUTPUT = Tensor("logits", "float32", AXES)
# How far beyond what a model has learnt from an image may lie, as a factor.
SPACING_FACTOR, SIZE_FACTOR = 1.5, 2.0
# A share of all voxels, and a change of the mean Dice, above which the file is another model.
VOXELS_OTHERWISE, DICE_CHANGE = 1e-4, 1e-4
FLAGGED_BY = "prediction"  # the uncertainty of which one prediction has all that it takes
STEPS = (
    "contract: an image is refused whose modality, where it is known, is not that of modality; whose "
    "spacing or size along x, y or z lies below learnt_from's low divided by, or above its high "
    "times, spacing_factor or size_factor; of which a channel has one value alone; or of which, where "
    "intensities stand in preprocessing or the modality is CT, the 0.5th or 99.5th percentile lies beyond "
    "learnt_from's range and as much again on either side. Where learnt_from is null, tried_on takes its "
    "place.",
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
    "offsets and temperature: logit_offsets_in_file are in the logits already, and are not added again. The "
    "temperature divides logits only where their softmax is to be a chance; no step here does so.",
    "labels: where the spacing was kept, the label of the largest logit, the lowest of equals, with the axes "
    "turned back to those of the image. Else softmax over the labels, each share interpolated linearly onto "
    "the image's grid, beyond the outermost centres the nearest value; then the label of the largest.",
    "review: of each label but 0 that is predicted, 1 - 2 i / (w + v): i the sum of its softmax over voxels "
    "where it has the largest logit, w over all voxels, v how many voxels that are, in float64, on the grid "
    "that the network saw, without temperature. The mean over these labels is the expected Dice loss, 0 "
    "where none is predicted; above review_above the case goes to an expert.",
)
INFERENCE = Inference(
    2, STEPS, 0.0, sliding.OVERLAP, sliding.SIGMA, sliding.WEIGHT_MIN, SPACING_FACTOR, SIZE_FACTOR
)
# Of what only some recipes ask for: behind which step they stand, and what is added to a step.
CROP = (
    "crop: begin and end, along each axis of the image, with its first and last voxel that is not 0 in any "
    "channel; preprocessing.crop.margin_voxels more on each side, as far as the image goes. Only this box "
    "goes through the further steps. An image of which every voxel is 0 stays whole."
)
IN_CROP = " Percentiles are those of the box that the step crop leaves."
OUT_OF_CROP = " Outside of the box that the step crop has left, the label is 0."
BIAS_FIELD = (
    "bias field: of each channel that preprocessing.bias_field.channels names, of all where it names none, "
    "as float32 on the turned axes, before it is resampled. mask: where it is otsu, voxels above Otsu's "
    f"threshold ({bias_field.OTSU_BINS} bins); where it is nonzero, those that are not 0. Of volume and mask "
    "take, along each axis, every k-th voxel as ITK's ShrinkImageFilter does, k = floor(shrink_mm / spacing "
    f"+ 0.001), no more than size / {bias_field.EVERY_SHARE} rounded down, at least 1. On these run N4 "
    "(itk::N4BiasFieldCorrectionImageFilter of ITK 5.4; of one slice in two dimensions) in one thread, with "
    f"iterations at each level, convergence threshold 0, {bias_field.CONTROL_POINTS} control points along "
    f"each axis, spline order {bias_field.SPLINE_ORDER}, {bias_field.BINS} histogram bins, full width at "
    f"half maximum {bias_field.FWHM:g}, Wiener noise {bias_field.NOISE:g}. Evaluate its log bias field on "
    "the whole volume (SimpleITK: GetLogBiasFieldAsImage), and divide each voxel by its exponential, in "
    "float64; then float32."
)
WITHIN = (
    " Where within is foreground and there are no intensities: percentiles, mean and standard deviation are "
    "over the foreground, which is all voxels that are not 0 in any channel on the grid that the network "
    "sees, and holes within these that no path of voxels which meet face to face leads out of (of one slice: "
    "in its plane); every other voxel becomes 0."
)


@dataclass(frozen=True)
class Made:
    """What only the stage itself can say of the folder.

    Attributes:
        sha256: of the network's file.
        files: further files of the folder -> their SHA-256.
    """

    sha256: str
    files: Mapping[str, str]
    parity: Parity
    golden: tuple[Golden, ...]


def released(
    train: ModelRun, dataset: Dataset, decisions: Decisions, settings: ExportParams, made: Made
) -> ReleasedModel:
    """The record 'released_model': all but what was made follows from the training run, the data set, what
    was decided on the validation part, and the parameters."""
    offsets = train.preprocessing.logit_offsets
    is_imported = isinstance(train, ImportedRun)
    images = of_images(train, dataset)
    return picked(
        ReleasedModel,
        train,
        notice="Research software; not for diagnosis.",
        licence=licence_of(train, settings),
        data_licence=None if is_imported else dataset.dataset.licence,
        file=FILE,
        sha256=made.sha256,
        files=dict(sorted(made.files.items())),
        format="onnx",
        opset=train.file.opset if is_imported else settings.opset,
        modality=dataset.dataset.modality,
        label_details=label_details(train.labels, settings),
        preprocessing=replace(train.preprocessing, logit_offsets=None),
        logit_offsets_in_file=offsets,
        inference=inference(train.preprocessing),
        learnt_from=None if is_imported else images,
        tried_on=images if is_imported else None,
        unknown=train.unknown if is_imported else None,
        temperature=decisions.temperature,
        review_above=decisions.flag_above.get(FLAGGED_BY),
        input=INPUT,
        output=OUTPUT,
        parity=made.parity,
        golden=made.golden,
        params=settings,
    )


def inference(preprocessing: Preprocessing) -> Inference:
    """How an image becomes a label map, with the steps that a recipe asks for and no others."""
    added, behind = {}, {}
    if preprocessing.crop is not None:
        added |= {"contract": IN_CROP, "labels": OUT_OF_CROP}
        behind["values"] = CROP
    if preprocessing.bias_field is not None:
        behind["orientation"] = BIAS_FIELD
    if any(channel.within for channel in Recipe.of(preprocessing).channels):
        added["normalise"] = WITHIN
    steps = []
    for step in STEPS:
        name = step.partition(":")[0]
        steps.append(step + added.get(name, ""))
        if name in behind:
            steps.append(behind[name])
    return replace(INFERENCE, steps=tuple(steps))


def licence_of(train: ModelRun, settings: ExportParams) -> str | None:
    """Of the released folder: that of params.yaml, else what the contract of an imported model says."""
    if settings.licence is not None or not isinstance(train, ImportedRun):
        return settings.licence
    said = train.contract.origin.licence
    return None if said == UNKNOWN else said


def label_details(labels: Mapping[str, str], settings: ExportParams) -> dict[str, ReleasedLabel]:
    """Value -> what a label is to others, of all but the background."""
    details = {}
    for place, value in enumerate(sorted(set(labels) - {"0"}, key=int)):
        nobody_said = ReleasedLabel(None, None, COLOURS[place % len(COLOURS)])
        details[value] = settings.labels.get(labels[value], nobody_said)
    return details


def unknown_labels(labels: Mapping[str, str], settings: ExportParams) -> list[str]:
    """Names in params.yaml of which the data set has no label, with the way out."""
    known = {name for value, name in labels.items() if value != "0"}
    return [
        f"export.labels: found {name}, which is none of {', '.join(sorted(known))}"
        for name in sorted(set(settings.labels) - known)
    ]


def disagreements(parity: Parity) -> list[str]:
    """Where the file is another model than that which was measured."""
    share = parity.voxels_different / parity.voxels_compared
    faults = []
    if not parity.max_logit_difference <= parity.tolerance:
        faults.append(
            f"largest difference of a logit {parity.max_logit_difference:.3g} in {parity.worst_case}, "
            f"tolerance {parity.tolerance:g}"
        )
    if share > VOXELS_OTHERWISE:
        faults.append(f"{share:.2g} of all voxels labelled otherwise, at most {VOXELS_OTHERWISE:g}")
    if parity.dice_change_at_most > DICE_CHANGE:
        faults.append(
            f"the mean Dice may change by {parity.dice_change_at_most:.2g}, at most {DICE_CHANGE:g}"
        )
    return faults


def golden_cases(dataset: Dataset, case_ids: Sequence[str], number: int) -> list[Case]:
    """The smallest of some cases."""
    chosen = [case for case in dataset.cases if case.case_id in set(case_ids)]
    return sorted(chosen, key=_voxels)[:number]


def _voxels(case: Case) -> tuple[int, str]:
    if case.image.grid is None:
        raise ValueError(f"{case.case_id}: nothing is predicted of a file that cannot be read")
    return int(np.prod(case.image.grid.size_voxels)), case.case_id


def golden_images(case: Case) -> dict[str, str]:
    """Where the files of its channels lie in the folder of the model -> their SHA-256."""
    return {f"golden/{case.case_id}/images/{Path(file.path).name}": file.sha256 for file in case.images}


def golden_label_map(case: Case) -> str:
    """Where what the file makes of it lies in the folder of the model."""
    return f"golden/{case.case_id}/label_map.nii.gz"


def metadata(model: ReleasedModel) -> dict[str, str]:
    """What the network's file says of itself, so that neither file is taken with another one of the other
    kind.

    contract_sha256 is of model.json without its key sha256, which is of the file: JSON with sorted keys,
    indented by 2, UTF-8, a line break at its end.
    """
    said = {
        "run_id": model.run_id,
        "contract_sha256": contract_sha256(model.record()),
        "format_version": str(model.inference.format_version),
        "notice": model.notice,
    }
    return said | ({"licence": model.licence} if model.licence else {})


def contract_sha256(record: Mapping) -> str:
    """As metadata has it.

    Args:
        record: 'released_model'.
    """
    without = {key: value for key, value in record.items() if key != "sha256"}
    return hashlib.sha256(records.dumps(without).encode()).hexdigest()


def of_images(train: ModelRun, dataset: Dataset) -> LearntFrom:
    """What the images are that a run learnt from and was followed on; of an imported model, those that it was
    tried on."""
    if isinstance(train, ImportedRun):
        names = {*train.tried.validation, *train.tried.test}
    else:
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
