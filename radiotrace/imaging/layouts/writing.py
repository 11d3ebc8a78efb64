"""Writing: the cases that were checked, in the layout that ingest reads. The same bytes every time.

A volume of three axes is copied as it is; everything else is written as NIfTI. sources.csv says of each file
that was written which one it comes from, with its SHA-256, and what was done to it.
"""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from radiotrace import records
from radiotrace.errors import StageError, log
from radiotrace.imaging import content, decoding, image, volumes
from radiotrace.imaging.columns import DIVIDER
from radiotrace.imaging.content import VolumeError
from radiotrace.imaging.image import Grid
from radiotrace.imaging.layouts import medmnist, which
from radiotrace.imaging.layouts.checking import PROGRESS, Checked, Facts
from radiotrace.imaging.layouts.listing import Asked, Listing
from radiotrace.imaging.layouts.reading import Reader, Request

ENDING = ".nii.gz"
SOURCES = "sources.csv"
DRAFT = "cases.draft.csv"
IDENTITY = ("description", "reference", "citation", "licence", "license", "release", "version")
COPIED = "copied as it is"
BOXES = "boxes.csv"
CLASS, COUNT, PART = "class", "boxes", "part"  # columns of cases.csv


def write(root: Path, out: Path, listing: Listing, checked: Checked, asked: Asked) -> None:
    """Lays out a folder of data.

    Args:
        out: a folder, empty or not there; dataset.json, cases.csv (or its draft), sources.csv, imagesTr/ and
            labelsTr/ are written to it.

    Raises:
        StageError: a file is no longer what was checked.
    """
    planned = (request for facts in checked.facts for request in _requests(facts))
    reader = Reader(root, asked.pixel_mm, asked.is_grey, planned)
    rows: list[tuple[str, str, str, str]] = []
    training = []
    for number, facts in enumerate(checked.facts, 1):
        try:
            images, first = _write_images(reader, root, out, facts, checked, asked.is_cleaned, rows)
            of_case = {"image": f"./{images[0]}"}
            if facts.source.label_map:
                label_map = _write_label_map(reader, root, out, facts, checked, asked.is_cleaned, first, rows)
                of_case["label"] = f"./{label_map}"
        except VolumeError as error:
            raise StageError(
                f"{facts.source.case_id}: a file is no longer what was checked", [str(error)], "Run it again."
            ) from None
        training.append(of_case)
        if number % PROGRESS == 0:
            log(f"new: {number} of {len(checked.facts)} cases written")
    declared = _declaration(listing, checked, asked, training)
    text = json.dumps(declared, indent=2, ensure_ascii=False) + "\n"
    records.write_bytes(out / which.DATASET, text.encode())
    _write_subjects(out, listing, checked)
    if any(facts.source.boxes is not None for facts in checked.facts):
        records.write_bytes(out / BOXES, _boxes(checked))
    records.write_bytes(out / SOURCES, _table(("file", "source", "sha256", "done"), sorted(rows)))


def _requests(facts: Facts) -> list[Request]:
    images, label_map = facts.source.images, facts.source.label_map
    of_label_map = [Request(label_map, _sha256(facts, label_map), is_image=False)] if label_map else []
    return [*(Request(path, _sha256(facts, path)) for path in images), *of_label_map]


def _write_images(
    reader: Reader, root: Path, out: Path, facts: Facts, checked: Checked, is_cleaned: bool, rows: list
) -> tuple[list[str], sitk.Image]:
    """The paths of the images of a case, and the first channel."""
    source, n_channels = facts.source, len(checked.channels)
    paths: list[str] = []
    first = None
    for path in source.images:
        read = reader.read(Request(path, _sha256(facts, path)))
        channels = read.channels
        done = list(read.done)
        if len(source.images) == 1 and len(channels) == 1 < n_channels:
            channels = channels * n_channels  # grey among pictures of colour
            done.append("grey repeated")
        first = first if first is not None else channels[0]
        ending = decoding.ENDINGS.search(path)
        ending = ending[0].lower() if ending else ""
        is_copied = read.is_as_it_was and not is_cleaned and (n_channels == 1 or ending == ENDING)
        for channel in channels:
            number = f"_{len(paths):04d}" if n_channels > 1 else ""
            paths.append(f"imagesTr/{source.case_id}{number}{ending if is_copied else ENDING}")
            if is_copied:
                _copy(root / path, out / paths[-1], read.sha256)
            else:
                volumes.write(channel, out / paths[-1])
            said = COPIED if is_copied else "; ".join((*done, "written as NIfTI"))
            rows.append((paths[-1], path, read.sha256, said))
    if first is None:
        raise ValueError(f"{source.case_id} has no image")
    return paths, first


def _write_label_map(
    reader: Reader,
    root: Path,
    out: Path,
    facts: Facts,
    checked: Checked,
    is_cleaned: bool,
    first: sitk.Image,
    rows: list,
) -> str:
    source = facts.source
    read = reader.read(_requests(facts)[-1])
    label_map = read.channels[0]
    ending = decoding.ENDINGS.search(source.label_map)
    ending = ending[0].lower() if ending else ""
    moved = {value: checked.new_value[value] for value in facts.values if value}
    is_whole = "integer" in label_map.GetPixelIDTypeAsString()
    is_same = read.is_as_it_was and is_whole and all(old == new for old, new in moved.items())
    if is_same and not is_cleaned and (len(checked.channels) == 1 or ending == ENDING):
        path = f"labelsTr/{source.case_id}{ending}"
        _copy(root / source.label_map, out / path, read.sha256)
        rows.append((path, source.label_map, read.sha256, COPIED))
        return path
    path = f"labelsTr/{source.case_id}{ENDING}"
    mapped = _mapped(volumes.array_zyx(label_map), facts.values, checked.new_value)
    grid = Grid.of(first if read.colours else label_map)  # tags of a label picture may say another size
    volumes.write(image.on(mapped, grid), out / path)
    changed = [f"{old} to {new}" for old, new in moved.items() if old != new]
    said = "; ".join((*read.done, *changed, "written as NIfTI"))
    rows.append((path, source.label_map, read.sha256, said))
    return path


def _mapped(values_zyx: np.ndarray, values: Sequence[int], new_value: dict[int, int]) -> np.ndarray:
    """A label map with other numbers, uint8."""
    numbers = np.array([new_value[value] if value else 0 for value in values], np.uint8)
    return numbers[np.searchsorted(np.array(values), values_zyx)]


def _sha256(facts: Facts, path: str) -> str | None:
    """That a file must have; None of one image of a file of arrays."""
    return None if ":" in path else facts.sha256[path]


def _copy(source: Path, target: Path, sha256: str) -> None:
    read = content.read(source)
    if read.sha256 != sha256:
        raise VolumeError(f"{source.name} was changed while it was read")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(read.data)


def _declaration(
    listing: Listing, checked: Checked, asked: Asked, training: list[dict[str, str]]
) -> dict[str, Any]:
    """dataset.json, in MSD's layout for one channel, in nnU-Net's for several."""
    known = listing.declared
    declared: dict[str, Any] = {"name": known.get("name") or asked.name}
    declared |= {key: known[key] for key in IDENTITY if known.get(key)}
    if asked.licence:
        declared["licence"] = asked.licence
    names = {str(number): name for number, name in enumerate(checked.channels)}
    of_value = checked.labels if asked.has_classes else {0: "background", **checked.labels}
    if asked.has_classes:
        declared |= _of_classes(listing)
    if len(checked.channels) == 1:
        labels = {str(value): name for value, name in of_value.items()}
        return declared | {"modality": names, "labels": labels, "training": training}
    labels = {name: value for value, name in of_value.items()}
    return declared | {"channel_names": names, "labels": labels, "file_ending": ENDING}


def _of_classes(listing: Listing) -> dict[str, Any]:
    """What dataset.json says of classes, of parts that the data give, and of what was published."""
    kind = "class" if listing.is_exclusive else "classes"
    columns: dict[str, dict[str, Any]] = {CLASS: {"role": "target", "kind": kind}}
    if all(source.boxes is not None for source in listing.sources):
        columns = {COUNT: {"role": "target", "kind": "number", "unit": "boxes", "minimum": 0}}
    if all(source.part for source in listing.sources):
        columns[PART] = {"role": "part", "kind": "category"}
    declared: dict[str, Any] = {"columns": columns, "subjects_unknown": True}
    if listing.published is not None:
        of_it = listing.published
        declared |= {"name": of_it.name, "citation": medmnist.CITATION, "licence": of_it.licence}
        if of_it.cases:
            declared["published_cases"] = {part: dict(rows) for part, rows in of_it.cases.items()}
    return declared


def _write_subjects(out: Path, listing: Listing, checked: Checked) -> None:
    """cases.csv; where nobody says whose the images are, a draft with every case a subject of its own. Of
    arrays with classes nobody can say it, and dataset.json says so."""
    facts = checked.facts
    is_known = all(one.source.subject_id for one in facts)
    target = CLASS if facts[0].source.boxes is None else COUNT
    of_classes = [name for name in (target, PART) if facts[0].source.classes is not None]
    columns = sorted({column for one in facts for column in one.source.attributes})
    rows = []
    for one in facts:
        source = one.source
        subject = source.subject_id if is_known else source.case_id
        told = DIVIDER.join(checked.labels[checked.new_value[value]] for value in source.classes or ())
        cells = {CLASS: told, COUNT: str(len(source.boxes or ())), PART: source.part, **source.attributes}
        rows.append((source.case_id, subject, *(cells.get(name, "") for name in (*of_classes, *columns))))
    table = _table(("case_id", "subject_id", *of_classes, *columns), rows)
    records.write_bytes(out / (which.SUBJECTS if is_known or of_classes else DRAFT), table)


def _boxes(checked: Checked) -> bytes:
    """The boxes of pictures, in pixels of the file, in the order of its own."""
    columns = ("case_id", "label", "x_low", "y_low", "x_high", "y_high")
    rows = []
    for facts in checked.facts:
        for box in facts.source.boxes or ():
            corners = (f"{value:.12g}" for value in (*box.low, *box.high))
            rows.append((facts.source.case_id, box.name, *corners))
    return _table(columns, rows)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().encode()
