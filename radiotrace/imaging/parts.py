"""The cases of a part of the split, as they were handed in."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from radiotrace.imaging import channels, volumes
from radiotrace.imaging.image import Image
from radiotrace.records.dataset import Case, Dataset, SourceFile, known


def cases(dataset: Dataset, split: dict, part: str) -> dict[str, dict]:
    """The cases of a part, sorted: case_id -> case_id, subject_id, attributes, and path and sha256 of each
    channel of the image, with what the channel is, and of label_map.

    Args:
        dataset, split: the records.
        part: "train", "validation" or "test".
    """
    described = {case.case_id: case for case in dataset.cases}
    return {
        case_id: {
            "case_id": case_id,
            "subject_id": row["subject_id"],
            "attributes": dict(described[case_id].attributes),
            "channels": described_channels(dataset, described[case_id]),
            "label_map": _file(known(described[case_id].label_map)),
        }
        for case_id, row in sorted(split["cases"].items())
        if row["part"] == part
    }


def described_channels(dataset: Dataset, entry: Case) -> list[dict]:
    """What each channel of a case is, and its file: name, modality, path, sha256.

    Args:
        dataset: the record.
        entry: of a case in it.
    """
    declared = channels.of_dataset(dataset.dataset)
    return [channel.record() | _file(source) for channel, source in zip(declared, entry.images, strict=True)]


def _file(source: SourceFile) -> dict:
    return {"path": source.path, "sha256": source.sha256}


def image(case: dict, raw: Path) -> Image:
    """The image of a case as it was handed in.

    Args:
        case: of `cases`; or "channels" alone, of `described_channels`.
        raw: folder of raw data.
    """
    of_channels = [volumes.read_canonical(raw / row["path"], row["sha256"]) for row in case["channels"]]
    return Image.of(of_channels, [channels.Channel.of(row) for row in case["channels"]])


def label_map(case: dict, raw: Path) -> sitk.Image:
    """The label map of a case as it was handed in."""
    return volumes.read_canonical(raw / case["label_map"]["path"], case["label_map"]["sha256"])


def are_pictures(dataset: Dataset) -> bool:
    """Whether all images of the record 'dataset' have one slice; those that were not read do not count."""
    grids = [case.image.grid for case in dataset.cases if case.image.grid is not None]
    return bool(grids) and all(1 in grid.size_voxels for grid in grids)


def spread(case_ids: list[str], count: int) -> list[str]:
    """`count` cases spread evenly over a sorted list; all of them when there are fewer."""
    chosen = np.unique(np.linspace(0, len(case_ids) - 1, min(count, len(case_ids))).round().astype(int))
    return [sorted(case_ids)[index] for index in chosen]
