"""Which: the layout of a folder, told by the names of its files and the first bytes of a few.

`new` and `inspect` both ask here, so that they agree. Nothing is decoded.
"""

import json
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from radiotrace.imaging import content, formats
from radiotrace.imaging.content import VolumeError
from radiotrace.imaging.layouts import names, pairs, voc

DATASET, SUBJECTS = "dataset.json", "cases.csv"
KEYS = {"training", "channel_names", "file_ending", "labels"}  # of a data set's dataset.json
NATIVE, FOUR_D, TABLE, FOLDERS, SUFFIXES, ARRAYS, BOXES, NONE = (
    "native",
    "4-D",
    "table",
    "folders",
    "suffixes",
    "arrays",
    "boxes",
    "none",
)
CONVERTED = (FOUR_D, TABLE, FOLDERS, SUFFIXES, ARRAYS, BOXES)  # what `new` converts as it lays out a study
TABLE_BYTES_MAX = 2**25
LINE_BYTES_MAX = 2**16
HEAD_BYTES = 2**16
ENDING = ".npz"


@dataclass(frozen=True)
class Layout:
    """What a folder looks like.

    Attributes:
        kind: one of the above.
        name, why: for one line.
        options: of `new`, that say what the files do not.
    """

    kind: str
    name: str
    why: str
    options: tuple[str, ...] = ()


def of(root: Path, paths: Sequence[str]) -> Layout:
    """The layout of a folder.

    Args:
        paths: of the files below it, hidden ones left out.
    """
    paths = sorted(paths)
    there = set(paths)
    if DATASET in there:
        declared = declared_by(root)
        if declared is None or KEYS & declared.keys():
            return _declared(root, declared or {})
    if SUBJECTS in there and (columns := _columns(root / SUBJECTS)):
        why = f"{SUBJECTS} names files in its columns {', '.join(columns)}"
        return Layout(TABLE, "a table of files", why, _options(paths))
    by_folder = pairs.by_folders(paths)
    if n_pairs := by_folder.n_whole:
        folders = " and ".join(by_folder.folders)
        why = f"{n_pairs} files in {folders} have equal names, and there is no {DATASET}"
        return Layout(FOLDERS, "two folders", why, _options(paths))
    by_name = pairs.by_suffixes(paths)
    if n_pairs := by_name.n_whole:
        name = "BIDS" if by_name.is_bids else "label maps by the end of their names"
        why = f"{n_pairs} label maps belong to an image by their names, such as {by_name.example}"
        return Layout(SUFFIXES, name, why, _options(paths))
    if (above := voc.folder_of(paths)) is not None:
        where = f"{above}/" if above else ""
        why = f"{where}{voc.ANNOTATIONS} has XML, and {where}{voc.PICTURES} pictures"
        options = ("--task detection", "--pixel-mm MM")
        return Layout(BOXES, "Pascal VOC, pictures with boxes", why, options)
    arrays = [path for path in paths if path.lower().endswith(ENDING)]
    if arrays and not any(map(names.is_image_file, paths)):
        return Layout(
            ARRAYS, "arrays as MedMNIST has them", f"{arrays[0]} is there, and no image", _of_arrays()
        )
    return Layout(NONE, "none that is read", "nothing says which label map belongs to which image")


def below(root: Path, is_hidden) -> list[str]:
    """Plain files below a folder, sorted; links are not followed.

    Args:
        is_hidden: as shutil.ignore_patterns gives it.
    """
    paths = []
    for folder, folders, files in os.walk(root):
        hidden = is_hidden(folder, [*folders, *files])
        folders[:] = sorted(set(folders) - hidden)
        paths += [Path(folder, name).relative_to(root).as_posix() for name in set(files) - hidden]
    return sorted(path for path in paths if not (root / path).is_symlink())


def _options(paths: Sequence[str]) -> tuple[str, ...]:
    is_flat = any(map(names.is_picture, paths))
    return ("--label NAME=VALUE", *(("--pixel-mm MM",) if is_flat else ("--modality NAME",)))


def _of_arrays() -> tuple[str, ...]:
    return ("--label NAME=VALUE", "--pixel-mm MM")


def _declared(root: Path, declared: dict) -> Layout:
    """Of a folder with a dataset.json, which ingest reads unless its images are 4-D."""
    keys = ", ".join(sorted(KEYS & declared.keys()))
    if "training" not in declared:
        return Layout(
            NATIVE, "nnU-Net" if declared else "a broken dataset.json", f"{DATASET} has {keys or '?'}"
        )
    name = "Medical Segmentation Decathlon"
    channels = declared.get("modality") or {}
    n_declared = len(channels) if isinstance(channels, dict | list) else 1
    size = _first_size(root, declared["training"])
    if len(size) == 4:
        lengths = "x".join(map(str, size))
        return Layout(
            FOUR_D, f"{name}, 4-D images", f"{DATASET} has {keys}, and the first image is {lengths}"
        )
    if n_declared > 1 and not size:
        return Layout(FOUR_D, f"{name}, 4-D images", f"{DATASET} declares {n_declared} modalities")
    return Layout(NATIVE, name, f"{DATASET} has {keys}")


def _first_size(root: Path, training) -> tuple[int, ...]:
    """Of the first image that is listed; () where it cannot be told."""
    first = training[0] if isinstance(training, list) and training else None
    image = first.get("image") if isinstance(first, dict) else None
    if not isinstance(image, str) or not formats.PLAIN_PATH.fullmatch(image) or image.startswith("/"):
        return ()
    return size_of_nifti(root / image)


def size_of_nifti(path: Path) -> tuple[int, ...]:
    """The lengths of the axes that a NIfTI header declares; () where it is none."""
    if path.is_symlink() or not path.is_file():
        return ()
    with open(path, "rb") as file:
        head = file.read(HEAD_BYTES)
    try:
        if head.startswith(b"\x1f\x8b"):
            head = content.Inflater(head).take(1024)
    except VolumeError:
        return ()
    for length, at, kind in ((348, 40, "8h"), (540, 16, "8q")):
        for order in "<>":
            if len(head) >= 540 and head[:4] == struct.pack(f"{order}i", length):
                n_axes, *size = struct.unpack_from(f"{order}{kind}", head, at)
                return tuple(size[:n_axes]) if 0 < n_axes <= 7 else ()
    return ()


def declared_by(root: Path) -> dict | None:
    """What dataset.json has; None where it has no object."""
    return _object(root / DATASET)


def _object(path: Path) -> dict | None:
    """An object in a JSON file; None where there is none, which whoever reads it will say."""
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > formats.JSON_BYTES_MAX:
            return None
        declared = json.loads(path.read_bytes().decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return None
    return declared if isinstance(declared, dict) else None


def _columns(path: Path) -> list[str]:
    """The columns of a table that name files; [] where it names none."""
    if path.is_symlink() or not path.is_file():
        return []
    with open(path, "rb") as file:
        line = file.readline(LINE_BYTES_MAX).decode("utf-8-sig", "replace")
    columns = [column.strip().strip('"') for column in line.split(",")]
    images = [column for column in columns if is_image_column(column)]
    is_whole = bool(images) and "label_map" in columns
    return [*images, "label_map"] if is_whole else []


def is_image_column(column: str) -> bool:
    """Whether a column of cases.csv names images: image, or image_NAME for each of several channels."""
    return column == "image" or (column.startswith("image_") and len(column) > len("image_"))
