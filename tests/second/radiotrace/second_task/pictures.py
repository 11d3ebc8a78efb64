"""From the record of a case to a picture and its class."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from radiotrace.errors import StageError
from radiotrace.imaging import volumes

NOT_ONE = "a picture shows one disc or one ring"


def class_of(case: dict, labels: dict[str, str]) -> str:
    """Name of the one label that the label map of a case has.

    Args:
        case: an entry of the record 'dataset'.
        labels: value -> name.
    """
    return labels[next(iter(case["label_map"]["label_volumes_mm3"]))]


def faults(cases: Sequence[dict], labels: dict[str, str]) -> list[str]:
    """The cases that are no picture of one class; [] when all are."""
    found = []
    for case in cases:
        names = [labels[value] for value in case["label_map"]["label_volumes_mm3"]]
        if len(names) != 1:
            found.append(f"{case['case_id']}: labels {', '.join(names) or 'none'}, expected one")
        if case["image"]["grid"]["size_voxels"][2] != 1:
            found.append(f"{case['case_id']}: {case['image']['grid']['size'][2]} slices, expected one")
    return found


def of_part(dataset: dict, split: dict, part: str) -> list[dict]:
    """Entries of the record 'dataset' of a part of the split.

    Raises:
        StageError: a case of it is no picture of one class.
    """
    cases = [case for case in dataset["cases"] if split["cases"].get(case["case_id"], {}).get("part") == part]
    if broken := faults(cases, dataset["dataset"]["labels"]):
        raise StageError(NOT_ONE, broken, "List these cases in params.yaml under validate.exclude.")
    return cases


def pixels(case: dict, folder: Path) -> np.ndarray:
    """The canonical image of a case, (1, y, x) float32."""
    image = case["image"]
    volume = volumes.read_canonical(Path(folder) / image["volume"], image["volume_sha256"])
    return volumes.array_zyx(volume).astype(np.float32)
