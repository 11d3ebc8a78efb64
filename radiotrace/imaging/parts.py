"""The cases of a part of the split, as they were handed in."""

from pathlib import Path

import numpy as np

from radiotrace.imaging import volumes


def cases(dataset: dict, split: dict, part: str) -> dict[str, dict]:
    """The cases of a part, sorted: case_id -> case_id, subject_id, attributes, and path and sha256 of image
    and label_map.

    Args:
        dataset, split: the records.
        part: "train", "validation" or "test".
    """
    described = {case["case_id"]: case for case in dataset["cases"]}
    return {
        case_id: {
            "case_id": case_id,
            "subject_id": row["subject_id"],
            "attributes": described[case_id]["attributes"],
            **{
                kind: {key: described[case_id][kind][key] for key in ("path", "sha256")}
                for kind in ("image", "label_map")
            },
        }
        for case_id, row in sorted(split["cases"].items())
        if row["part"] == part
    }


def original(case: dict, kind: str, raw: Path):
    """The image or label map of a case as it was handed in.

    Args:
        case: of `cases`.
        kind: "image" or "label_map".
        raw: folder of raw data.
    """
    return volumes.read_canonical(raw / case[kind]["path"], case[kind]["sha256"])


def spread(case_ids: list[str], count: int) -> list[str]:
    """`count` cases spread evenly over a sorted list; all of them when there are fewer."""
    chosen = np.unique(np.linspace(0, len(case_ids) - 1, min(count, len(case_ids))).round().astype(int))
    return [sorted(case_ids)[index] for index in chosen]
