"""Cleaning: a copied folder of data without the free text of headers and what dataset.json does not name.

Other layouts are converted, and leave both behind (writing.py).
"""

import os
from dataclasses import dataclass
from pathlib import Path

from radiotrace.errors import StageError
from radiotrace.imaging import formats
from radiotrace.imaging.content import VolumeError
from radiotrace.imaging.layouts import reading, which

TABLES = (which.DATASET, which.SUBJECTS, "cases.draft.csv")


@dataclass(frozen=True)
class Cleaned:
    """What was done.

    Attributes:
        volumes: written anew, all there are.
        identified: among them, had text that may say who somebody is.
        left_behind: files that were taken away.
    """

    volumes: int
    identified: int
    left_behind: int


def clean(folder: Path) -> Cleaned:
    """Writes every volume of a data folder anew, and takes away what dataset.json does not name.

    Voxels, pixel types and grids stay; compression and version of the format need not.

    Args:
        folder: a copy, in a layout that ingest reads.

    Raises:
        StageError: volumes cannot be read, or a scan still finds something; all of them.
    """
    declared = formats.read_declaration(folder)
    named = {
        os.path.normpath(path) for case in declared.cases for path in (*case.images, case.label_map) if path
    }
    done = identified = left_behind = 0
    faults = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if name in TABLES:
            continue
        if name not in named:
            path.unlink()
            left_behind += 1
            continue
        try:
            identified += reading.without_text(path)
        except VolumeError as error:
            faults.append(f"{name}: {error}")
        done += 1
    if faults:
        raise StageError(
            "no study was made: volumes cannot be cleaned", faults, "Correct them, and run it again."
        )
    return Cleaned(done, identified, left_behind)
