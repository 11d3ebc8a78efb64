"""The folder of a data set: data/, which ingest reads, and beside it truth.csv and truth.json, which nobody
reads who learns.

`radiotrace.commands.generate` calls this.
"""

import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from radiotrace import records
from radiotrace.imaging import volumes
from radiotrace.synthetic.petct import scanner, subject, survival, thresholds
from radiotrace.synthetic.petct.lesions import LABELS, MM3_PER_ML
from radiotrace.synthetic.petct.space import CT_MM, CT_ZYX, PET_MM, PET_ZYX
from radiotrace.synthetic.petct.subject import Lesion, Subject
from radiotrace.synthetic.petct.thresholds import Overlaps, Thresholded

SUBJECTS = 160
SUBJECTS_MAX = 9999
CHANNELS = ("PET", "CT")  # pages show the first one, and pairs are brought onto its grid
ENDING = ".nii.gz"
DATA, TRUTH_TABLE, TRUTH = "data", "truth.csv", "truth.json"
MTV_SUV = 2.5
DESCRIPTION = (
    "Synthetic: made by radiotrace generate petct, of no person. Head and neck, FDG PET (SUV, g/mL) and "
    "CT (HU), primary tumours and nodes, times until an event."
)
Each = Callable[..., Iterable[Any]]  # of parallel.pool


@dataclass(frozen=True)
class Request:
    """What is to be made.

    Attributes:
        two_grids: leave CT on its own grid of 2 mm, which ingest refuses until it is resampled.
    """

    subjects: int
    seed: int
    two_grids: bool = False


@dataclass(frozen=True)
class Row:
    """A subject without its images."""

    case_id: str
    subject_id: str
    site: str
    scanner: str
    age: int
    sex: str
    time_days: int
    event: int
    visible: float
    hidden: float
    event_time_days: float
    volume_ml: float
    suvmax: float
    lesions: tuple[Lesion, ...]
    mtv_ml: tuple[float, ...]
    distractors: tuple[str, ...]
    thresholded: Thresholded | None


CASE_COLUMNS = ("case_id", "subject_id", "site", "scanner", "age", "sex", "time_days", "event")
TRUTH_COLUMNS = ("case_id", "visible", "hidden", "event_time_days", "volume_ml", "suvmax")


def write(folder: Path, request: Request, each: Each) -> dict:
    """Makes the data set in an empty folder; gives what truth.json has.

    Args:
        each: of parallel.pool.
    """
    numbers = range(request.subjects)
    rows = list(each(_one, numbers, folder=folder / DATA, request=request))
    records.write_bytes(folder / DATA / "dataset.json", records.dumps(_declaration(request)).encode())
    records.write_bytes(folder / DATA / "cases.csv", _table(CASE_COLUMNS, map(_cells_of_case, rows)))
    columns = (*TRUTH_COLUMNS, "lesions", "distractors")
    records.write_bytes(folder / TRUTH_TABLE, _table(columns, map(_cells_of_truth, rows)))
    truth = summary(request, rows)
    records.write_bytes(folder / TRUTH, records.dumps(truth).encode())
    return truth


def case_id(number: int) -> str:
    return f"petct_{number + 1:04d}"


def _one(number: int, folder: Path, request: Request) -> Row:
    """Makes a subject and writes its images."""
    made = subject.drawn(request.seed, number)
    name = case_id(number)
    pet = _volume(made.pet_zyx, PET_MM)
    fine = _volume(made.ct_zyx, CT_MM)
    on_pet = onto(fine, pet)
    volumes.write(pet, folder / f"imagesTr/{name}_0000{ENDING}")
    volumes.write(fine if request.two_grids else on_pet, folder / f"imagesTr/{name}_0001{ENDING}")
    volumes.write(_volume(made.label_map_zyx, PET_MM), folder / f"labelsTr/{name}{ENDING}")
    ct = sitk.GetArrayFromImage(on_pet)
    return Row(
        case_id=name,
        subject_id=f"synthetic_{number + 1:04d}",
        site=made.scanner.site,
        scanner=made.scanner.name,
        age=made.age,
        sex=made.sex,
        time_days=made.course.time_days,
        event=int(made.course.event),
        visible=made.course.visible,
        hidden=made.course.hidden,
        event_time_days=made.course.event_time_days,
        volume_ml=made.volume_ml,
        suvmax=made.suvmax,
        lesions=made.lesions,
        mtv_ml=tuple(_mtv_ml(made)),
        distractors=made.distractors,
        thresholded=thresholds.of_subject(made.pet_zyx, ct, made.label_map_zyx, made.brain_zyx),
    )


def onto(volume: sitk.Image, grid_of: sitk.Image) -> sitk.Image:
    """CT on the grid of PET: linear, so that each voxel is the mean of the eight that it covers."""
    return sitk.Resample(volume, grid_of, sitk.Transform(), sitk.sitkLinear, -1000.0, volume.GetPixelID())


def _volume(array_zyx: np.ndarray, spacing_mm: float) -> sitk.Image:
    """A volume whose field is that of every other one of the data set: corners are aligned, not centres."""
    volume = sitk.GetImageFromArray(array_zyx)
    volume.SetSpacing((spacing_mm,) * 3)
    field_mm = np.array(array_zyx.shape[::-1]) * spacing_mm
    volume.SetOrigin((spacing_mm / 2 - field_mm / 2).tolist())
    return volume


def _mtv_ml(made: Subject) -> Iterable[float]:
    """Volume above SUV 2.5 of each label that is there, as the studies of survival measured it."""
    for value in LABELS.values():
        above = np.count_nonzero((made.label_map_zyx == value) & (made.pet_zyx >= MTV_SUV))
        yield above * PET_MM**3 / MM3_PER_ML


def _declaration(request: Request) -> dict:
    return {
        "name": "Synthetic PET/CT of the head and neck with survival",
        "release": f"seed {request.seed}, {request.subjects} subjects",
        "licence": "CC0-1.0",
        "description": DESCRIPTION,
        "channel_names": {str(number): name for number, name in enumerate(CHANNELS)},
        "labels": {"background": 0, **LABELS},
        "file_ending": ENDING,
        "columns": {
            "time_days": {"role": "target", "kind": "number", "unit": "d", "minimum": 1},
            "event": {"role": "target", "kind": "number", "unit": "", "minimum": 0, "maximum": 1},
        },
    }


def _table(columns: Iterable[str], rows: Iterable[list]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().encode()


def _cells_of_case(row: Row) -> list:
    return [getattr(row, column) for column in CASE_COLUMNS]


def _cells_of_truth(row: Row) -> list:
    cells = [records.canonical(getattr(row, column)) for column in TRUTH_COLUMNS]
    lesions = " ".join(
        f"{lesion.kind}:{lesion.volume_ml:.3f}mL:SUV{lesion.suvmax:.2f}" for lesion in row.lesions
    )
    return [*cells, lesions, " ".join(row.distractors)]


def summary(request: Request, rows: list[Row]) -> dict:
    """What is true of a data set as a whole, as truth.json has it."""
    event = np.array([row.event for row in rows], bool)
    with_lesion = [row for row in rows if row.lesions]
    return {
        "seed": request.seed,
        "subjects": len(rows),
        "log_hazard": {
            name.lower(): getattr(survival, name)
            for name in (
                "VOLUME",
                "SUVMAX",
                "HIDDEN",
                "MIDDLE_ML",
                "MIDDLE_SUV",
                "SHAPE",
                "SCALE_DAYS",
                "FOLLOW_UP_DAYS",
                "DROPOUT_PER_YEAR",
            )
        },
        "share_censored": float(1 - event.mean()),
        "concordance": _concordances(rows),
        "concordance_with_lesion": _concordances(with_lesion),
        "without_lesion": sum(not row.lesions for row in rows),
        "medians": _medians(rows),
        "thresholds": {
            name: _of_thresholds(rows, name) for name in (field.name for field in fields(Thresholded))
        },
        "scanners": {
            machine.name: sum(row.scanner == machine.name for row in rows) for machine in scanner.SCANNERS
        },
        "grid_mm": {"PET": PET_MM, "CT": CT_MM if request.two_grids else PET_MM},
        "grid_zyx": {"PET": list(PET_ZYX), "CT": list(CT_ZYX if request.two_grids else PET_ZYX)},
    }


def _concordances(rows: list[Row]) -> dict[str, dict[str, float | None]]:
    """C-index of the true log-hazard, of what images show of it, and of the volume of all lesions.

    expected_uncensored is the formula's; the others are Harrell's, of the times of these subjects. Those who
    have no lesion are told from others easily, so that it is also said of the rest alone.
    """
    visible = np.array([row.visible for row in rows])
    full = visible + np.array([row.hidden for row in rows])
    scores = {"full": full, "visible": visible, "volume": np.array([row.volume_ml for row in rows])}
    time = np.array([row.time_days for row in rows], float)
    event = np.array([row.event for row in rows], bool)
    event_time = np.array([row.event_time_days for row in rows])
    return {
        name: {
            "expected_uncensored": survival.best_concordance(full, score),
            "uncensored": survival.concordance(event_time, np.ones(len(rows), bool), score),
            "observed": survival.concordance(time, event, score),
        }
        for name, score in scores.items()
    }


def _medians(rows: list[Row]) -> dict[str, dict[str, float | None]]:
    """Of the primary and of the largest node of each subject that has one; mtv_ml is that of a label."""
    medians = {}
    for place, kind in enumerate(LABELS):
        largest = []
        mtvs = []
        for row in rows:
            of_kind = [lesion for lesion in row.lesions if lesion.kind == kind]
            if of_kind:
                largest.append(max(of_kind, key=lambda lesion: lesion.volume_ml))
                mtvs.append(row.mtv_ml[place])
        medians[kind] = {
            "volume_ml": _median([lesion.volume_ml for lesion in largest]),
            "suvmax": _median([lesion.suvmax for lesion in largest]),
            "mtv_ml": _median(mtvs),
        }
    return medians


def _median(values: list[float]) -> float | None:
    return float(np.median(values)) if values else None


def _of_thresholds(rows: list[Row], name: str) -> dict[str, float | None]:
    """Mean Dice over subjects with lesions: at the fixed SUV that is best for all of them, and at 41 %."""
    overlaps: list[Overlaps] = [getattr(row.thresholded, name) for row in rows if row.thresholded is not None]
    if not overlaps:
        return {"best_suv": None, "dice_at_best_suv": None, "dice_at_41_percent": None}
    fixed = np.array([overlap.fixed for overlap in overlaps]).mean(axis=0)
    best = int(fixed.argmax())
    return {
        "best_suv": thresholds.SUVS[best],
        "dice_at_best_suv": float(fixed[best]),
        "dice_at_41_percent": float(np.mean([overlap.share for overlap in overlaps])),
    }
