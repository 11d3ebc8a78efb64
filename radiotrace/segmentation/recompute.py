"""Recomputing: from predictions and references to per-case rows and summaries, without the network; also
under seeded faults."""

from pathlib import Path

import numpy as np
from scipy import ndimage

from radiotrace.errors import StageError
from radiotrace.imaging import parts, volumes
from radiotrace.records.dataset import Dataset
from radiotrace.records.sections.segmentation.evaluate import EvaluateParams
from radiotrace.segmentation import ranking, results


def entries(
    cases: list[dict],
    dataset: Dataset,
    split: dict,
    labels: dict[str, str],
    raw: Path,
    predictions: Path,
    settings: EvaluateParams,
    fault: str | None = None,
):
    """The entry of each test case, its measures made anew.

    Args:
        cases: entries of the record 'cases'.
        labels: value -> name.
        raw, predictions: folders of raw data and of predicted label maps.
        settings: parameters of evaluate.
        fault: one of FAULTS, seeded into the predictions.

    Yields:
        each entry in its order, with labels measured anew.

    Raises:
        StageError: the cases are not those of the test part, a raw file or a prediction is missing or is not
            the one that was recorded, or has another shape.
    """
    test = parts.cases(dataset, split, "test")
    stated = [case["case_id"] for case in cases]
    if sorted(stated) != sorted(test):
        raise StageError(
            "the cases are not those of the test part",
            [f"found {', '.join(sorted(stated))}", f"expected {', '.join(sorted(test))}"],
            "Run 'dvc checkout', or 'dvc repro' to make them again.",
        )
    files = {case["case_id"]: (predictions / case["prediction"], case["prediction_sha256"]) for case in cases}
    order = list(files)
    for number, case in enumerate(cases):
        source = order[(number + 1) % len(order)] if fault == "shuffle cases" else case["case_id"]
        reference = parts.label_map(test[case["case_id"]], raw)
        reference_zyx, prediction_zyx = (
            volumes.array_zyx(reference),
            volumes.array_zyx(volumes.read_canonical(*files[source])),
        )
        if fault:
            prediction_zyx = FAULTS[fault](
                prediction_zyx, reference_zyx.shape, sorted(int(value) for value in labels if int(value))
            )
        if prediction_zyx.shape != reference_zyx.shape:
            raise StageError(
                f"{case['prediction']} has another shape than the label map of {case['case_id']}",
                [f"found {prediction_zyx.shape}, expected {reference_zyx.shape} (z y x)"],
                "Run 'dvc repro' to make it again.",
            )
        yield case | {
            "labels": results.compare(
                reference_zyx,
                prediction_zyx,
                labels,
                volumes.to_zyx(reference.GetSpacing()),
                settings.surface_tolerance_mm,
                settings.object_overlap_min,
                settings.empty_reference,
            )
        }


def summaries(cases: list[dict], decisions: dict, settings: EvaluateParams) -> dict:
    """What of the record 'metrics' follows from its cases alone: all but calibration and subgroups, which
    need logits and image features."""
    summary = results.Summary(cases, settings.empty_reference)
    return {
        **summary.measures(),
        "volume_agreement": summary.volume_agreement(),
        "detection": summary.detection(),
        "uncertainty": summary.uncertainties(decisions, settings.poor_dice),
        "worst_cases": [
            {"case_id": case["case_id"], "dice": ranking.macro(case, "dice")}
            for case in ranking.ranked(cases)[:10]
        ],
    }


def _swapped(prediction_zyx: np.ndarray, _, values: list[int]) -> np.ndarray:
    """The labels in the opposite order.

    All of the data set count, so that a case in which one was not predicted is faulty too.
    """
    swapped = prediction_zyx.copy()
    for value, opposite in zip(values, reversed(values), strict=True):
        swapped[prediction_zyx == value] = opposite
    return swapped


def _fitted(prediction_zyx: np.ndarray, shape: tuple, _) -> np.ndarray:
    """Cut, or filled with background, at the far ends of the axes."""
    fitted = np.zeros(shape, prediction_zyx.dtype)
    overlap = tuple(slice(min(edges)) for edges in zip(shape, prediction_zyx.shape, strict=True))
    fitted[overlap] = prediction_zyx[overlap]
    return fitted


def _eroded(prediction_zyx: np.ndarray, *_) -> np.ndarray:
    """Without the outermost voxels of the foreground; the edge of the image counts as background."""
    return np.where(ndimage.binary_erosion(prediction_zyx > 0), prediction_zyx, 0)


def _dilated(prediction_zyx: np.ndarray, *_) -> np.ndarray:
    """With one voxel more in every direction along the axes; where two labels meet, the higher one."""
    return np.where(
        prediction_zyx > 0,
        prediction_zyx,
        ndimage.grey_dilation(prediction_zyx, footprint=ndimage.generate_binary_structure(3, 1)),
    )


# Each takes a prediction, the shape of the reference, and the values of the labels.
FAULTS = {"swap labels": _swapped, "shuffle cases": _fitted, "erode": _eroded, "dilate": _dilated}
