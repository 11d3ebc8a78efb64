"""Bodies with hot lesions and times to an event, in tests: two channels, two labels, columns of survival."""

import csv
import json
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from radiotrace.pipeline import randomness

EDGES_ZYX = (16, 14, 20)
SPACING_XYZ = (4.0, 3.0, 5.0)
LABELS = {"background": 0, "primary": 1, "node": 2}
COLUMNS = {
    "days": {"role": "target", "kind": "number", "unit": "d", "minimum": 1},
    "relapse": {"role": "target", "kind": "number", "unit": "", "minimum": 0, "maximum": 1},
}


def body(number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of a subject: PET and CT float32, and the label map uint8, each (z, y, x): two balls, the hotter the
    larger; every ninth has none."""
    rng = randomness.generator(0, "lesion_phantoms", number)
    grid = np.stack(np.meshgrid(*map(np.arange, EDGES_ZYX), indexing="ij"))
    label_map = np.zeros(EDGES_ZYX, np.uint8)
    pet = rng.normal(1.0, 0.2, EDGES_ZYX)
    for value, middle in ((1, (5, 5, 6)), (2, (11, 8, 14))):
        radius = rng.uniform(1.3, 3.4)
        centre = np.array(middle) + rng.uniform(-0.7, 0.7, 3)
        inside = (((grid - centre[:, None, None, None]) / radius) ** 2).sum(0) < 1
        if number % 9 == 8:
            continue
        label_map[inside] = value
        pet[inside] += 2.0 + 2.5 * radius
    ct = rng.normal(40.0, 8.0, EDGES_ZYX) + 15.0 * (label_map > 0)
    return np.maximum(pet, 0).astype(np.float32), ct.astype(np.float32), label_map


def outcome(number: int, label_map: np.ndarray) -> tuple[int, int]:
    """Days, and whether the event was seen: earlier, the larger the lesions."""
    rng = randomness.generator(0, "lesion_phantoms", "outcome", number)
    log_hazard = 1.6 * np.log1p(np.count_nonzero(label_map) / 40)
    event = 900 * rng.exponential() / np.exp(log_hazard)
    end = rng.uniform(300, 1500)
    return max(1, round(min(event, end))), int(event <= end)


def write(folder: Path, subjects: int) -> Path:
    """The folder, with a data set of so many subjects, as ingest reads it."""
    rows = []
    for number in range(subjects):
        name = f"body_{number:03d}"
        pet, ct, label_map = body(number)
        for path, array in (
            (f"imagesTr/{name}_0000", pet),
            (f"imagesTr/{name}_0001", ct),
            (f"labelsTr/{name}", label_map),
        ):
            volume = sitk.GetImageFromArray(array)
            volume.SetSpacing(SPACING_XYZ)
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            sitk.WriteImage(volume, str(folder / f"{path}.nii.gz"))
        days, event = outcome(number, label_map)
        rows.append((name, f"person_{number:03d}", "AB"[number % 2], days, event))
    with open(folder / "cases.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("case_id", "subject_id", "site", "days", "relapse"))
        writer.writerows(rows)
    declared = {
        "name": "phantoms of lesions",
        "release": "1",
        "licence": "CC0-1.0",
        "channel_names": {"0": "PET", "1": "CT"},
        "labels": LABELS,
        "file_ending": ".nii.gz",
        "columns": COLUMNS,
    }
    (folder / "dataset.json").write_text(json.dumps(declared, indent=2))
    return folder
