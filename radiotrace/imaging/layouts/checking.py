"""Checking: whether the files of a listing fit together; every fault of all of them is named at once.

Reads each file once, one case at a time, and writes nothing.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from radiotrace.errors import log
from radiotrace.imaging import formats, volumes
from radiotrace.imaging.channels import COLOURS
from radiotrace.imaging.content import VolumeError
from radiotrace.imaging.layouts import reading
from radiotrace.imaging.layouts.listing import Asked, Listing, Source
from radiotrace.imaging.layouts.reading import Read, Reader, Request

PROGRESS = 100  # cases
VALUES_SHOWN = 12
WHITE = 255  # what pictures have in the place of 1
TO_DECIDE = "TO DECIDE"
JPEG = (".jpg", ".jpeg")
NONE_OF_THEM = "none"  # the first label, where a case may have several classes
LOSSY = "is a JPEG, whose values are not exact: its edges hold values that nobody drew. Save it as PNG anew"


@dataclass(frozen=True)
class Facts:
    """What is known of the files of a case, once they were read.

    Attributes:
        sha256: of each file, by path.
        n_channels: that the images have together.
        values: of the label map, sorted; or numbers of classes.
    """

    source: Source
    sha256: dict[str, str]
    n_channels: int
    is_picture: bool
    values: tuple[int, ...]


@dataclass
class Checked:
    """What becomes of a listing.

    Attributes:
        channels: names, in their order.
        labels: names by the value that they get, from 1 on, without a gap; of classes from 0 on.
        new_value: by the value in the files.
        notes: what to know that stops nothing.
        undecided: what nobody has said, and what was taken for it.
    """

    facts: list[Facts] = field(default_factory=list)
    channels: tuple[str, ...] = ()
    labels: dict[int, str] = field(default_factory=dict)
    new_value: dict[int, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)


def of(root: Path, listing: Listing, asked: Asked) -> Checked:
    """What becomes of the cases of a folder."""
    made = Checked(faults=list(listing.faults), notes=list(listing.notes))
    planned = (request for source in listing.sources for request in _requests(source))
    reader, seen = Reader(root, asked.pixel_mm, asked.is_grey, planned), _Seen()
    for number, source in enumerate(listing.sources, 1):
        facts = _of_case(reader, source, seen, made.faults)
        if facts is not None:
            made.facts.append(facts)
        if number % PROGRESS == 0:
            log(f"new: {number} of {len(listing.sources)} cases read")
    made.faults += seen.faults
    if seen.skipped:
        made.faults.append(f"{seen.skipped} more cases are in these arrays, and were not looked at")
    made.notes += seen.notes()
    if made.facts:
        _name_channels(listing, asked, seen, made)
        if asked.has_classes:
            _name_classes(listing, asked, made)
        else:
            _name_labels(listing, asked, made)
        _say_spacing(seen, made)
    if listing.left_out:
        made.notes.append(f"{listing.left_out} further files belong to no case, and were left behind")
    return made


def _requests(source: Source) -> list[Request]:
    of_label_map = [Request(source.label_map, is_image=False)] if source.label_map else []
    return [*(Request(path) for path in source.images), *of_label_map]


class _Seen:
    """What was met among the files of all cases."""

    def __init__(self):
        self.faults: list[str] = []
        self.twins: list[str] = []
        self.done: Counter[str] = Counter()
        self.warnings: Counter[str] = Counter()
        self.spacing_from: Counter[str] = Counter()
        self.spacings: Counter[tuple[float, ...]] = Counter()
        self.colours: Counter[str] = Counter()
        self.broken: set[str] = set()  # arrays of which an image cannot be read, nor what follows it
        self.skipped = 0
        self._by_image: dict[bytes, tuple[str, bytes]] = {}

    def add(self, read: Read) -> None:
        self.done.update(read.done)
        if not read.is_as_it_was:
            self.warnings.update(read.warnings)

    def add_picture(self, read: Read) -> None:
        self.colours["colour" if read.n_channels > 1 else "grey"] += 1
        self.spacing_from[read.spacing_from] += 1
        self.spacings[read.first.GetSpacing()[:2]] += 1

    def add_case(self, case_id: str, of_image: bytes, of_label_map: bytes) -> None:
        """Notes an image that stands twice."""
        first, label_map = self._by_image.setdefault(of_image, (case_id, of_label_map))
        if first == case_id:
            return
        if label_map == of_label_map:
            self.twins.append(f"{first} and {case_id}")
        else:
            self.faults.append(
                f"{case_id}: the image is that of {first}, and its label map or class is another one; "
                "expected one of an image. Take one of the two away"
            )

    def notes(self) -> list[str]:
        said = [f"{count} files: {text}" for text, count in sorted(self.done.items())]
        said += [f"{count} files: {text}" for text, count in sorted(self.warnings.items())]
        if self.twins:
            said.append(
                f"{len(self.twins)} images stand twice with one label map or class, such as {self.twins[0]}; "
                "validate refuses that: take one of the two away, or name it in validate.exclude"
            )
        return said


def _of_case(reader: Reader, source: Source, seen: _Seen, faults: list[str]) -> Facts | None:
    """Facts of a case; None where a file cannot be read, or does not fit."""
    if seen.broken & {reading.array_of(path) for path in source.files}:
        seen.skipped += 1
        return None
    before = len(faults)
    sha256: dict[str, str] = {}
    size: tuple[int, ...] = ()
    n_channels = 0
    is_picture = False
    digest = hashlib.sha256()
    first_image, n_images = source.images[0], len(source.images)
    for path in source.images:
        read = _read(reader, Request(path), source, seen, faults)
        if read is None:
            continue
        sha256[path] = read.sha256
        if n_images > 1 and read.n_channels > 1:
            faults.append(
                f"{source.case_id}: {path} has {read.n_channels} channels, and is one of {n_images} files; "
                "expected one channel in each"
            )
        is_picture = bool(read.colours)
        if is_picture:
            seen.add_picture(read)
        n_channels += read.n_channels
        size = size or read.first.GetSize()
        if read.first.GetSize() != size:
            faults.append(
                f"{source.case_id}: {path} has {_by(read.first.GetSize())} voxels; expected {_by(size)}, as "
                f"{first_image}"
            )
        for channel in read.channels:
            _hash(digest, sitk.GetArrayViewFromImage(channel))
        del read
    if source.stated_pixels and size and size[:2] != source.stated_pixels:
        faults.append(
            f"{source.case_id}: {first_image} has {_by(size[:2])} pixels; the file of its boxes says "
            f"{_by(source.stated_pixels)}: they are of another copy"
        )
    if source.classes is not None:
        if len(faults) > before:
            return None
        seen.add_case(source.case_id, digest.digest(), repr(source.classes).encode())
        return Facts(source, sha256, n_channels, is_picture, source.classes)
    label_map, of_label_map = _label_map(reader, source, seen, faults)
    if label_map is None:
        return None
    sha256[source.label_map] = label_map.sha256
    if size and label_map.first.GetSize() != size:
        faults.append(
            f"{source.case_id}: label map {source.label_map} has {_by(label_map.first.GetSize())} voxels; "
            f"expected {_by(size)}, as its image {first_image}"
        )
    if size and is_picture != bool(label_map.colours):
        faults.append(
            f"{source.case_id}: one of {first_image} and {source.label_map} is a picture, the other a "
            "volume; expected both of one kind"
        )
    values = _values(volumes.array_zyx(label_map.first), source, faults)
    if len(faults) > before:
        return None
    seen.add_case(source.case_id, digest.digest(), of_label_map)
    return Facts(source, sha256, n_channels, is_picture, values)


def _read(reader: Reader, request: Request, source: Source, seen: _Seen, faults: list[str]) -> Read | None:
    path = request.path
    try:
        read = reader.read(request)
    except VolumeError as error:
        faults.append(f"{source.case_id}: {path}: {error}")
        if reading.is_array(path):
            seen.broken.add(reading.array_of(path))
        return None
    seen.add(read)
    return read


def _label_map(reader: Reader, source: Source, seen: _Seen, faults: list[str]) -> tuple[Read | None, bytes]:
    """The label map of a case, of one channel, and a hash of its voxels."""
    path = source.label_map
    if path.lower().endswith(JPEG):
        faults.append(f"{source.case_id}: label map {path} {LOSSY}")
        return None, b""
    read = _read(reader, Request(path, is_image=False), source, seen, faults)
    if read is None:
        return None, b""
    first = sitk.GetArrayViewFromImage(read.first)
    for other in read.channels[1:]:
        if not np.array_equal(first, sitk.GetArrayViewFromImage(other)):
            kind = "colours" if read.colours else f"{read.n_channels} channels"
            faults.append(
                f"{source.case_id}: label map {path} has {kind} that differ; expected one value a voxel. "
                "Give each structure a number, and save it as grey"
            )
            return None, b""
    digest = hashlib.sha256()
    _hash(digest, first)
    return read, digest.digest()


def _hash(digest, values: np.ndarray) -> None:
    digest.update(f"{values.shape}{values.dtype}".encode())
    digest.update(np.ascontiguousarray(values).data)


def _values(values_zyx: np.ndarray, source: Source, faults: list[str]) -> tuple[int, ...]:
    """The values of a label map, sorted."""
    values = np.unique(values_zyx)
    if values_zyx.dtype.kind == "f" and not np.array_equal(values, np.rint(values)):
        broken = next(value for value in values if value != np.rint(value))
        faults.append(
            f"{source.case_id}: label map {source.label_map} holds {broken:g}; expected whole numbers, one "
            "for each structure"
        )
        return ()
    if values[0] < 0:
        faults.append(
            f"{source.case_id}: label map {source.label_map} holds {values[0]:g}; expected 0 or more"
        )
        return ()
    return tuple(int(value) for value in values)


def _name_channels(listing: Listing, asked: Asked, seen: _Seen, made: Checked) -> None:
    """Says what the channels are called, and adds where they are not the same in all cases."""
    pictures = sum(facts.is_picture for facts in made.facts)
    if 0 < pictures < len(made.facts):
        made.faults.append(
            f"{pictures} cases are pictures and {len(made.facts) - pictures} volumes; expected all of one "
            "kind"
        )
    counts = Counter(facts.n_channels for facts in made.facts)
    n_channels = max(counts)
    is_colour = pictures == len(made.facts) and seen.colours["colour"] > 0
    if is_colour and set(counts) == {1, len(COLOURS)}:
        made.notes.append(
            f"{counts[1]} pictures are grey, {counts[len(COLOURS)]} of colour: the grey of the "
            "former stands in each of the three channels"
        )
        made.undecided.append("whether colour is needed: --colour grey brings all pictures to grey")
    elif len(counts) > 1:
        usual = min(counts, key=lambda count: (-counts[count], count))
        made.faults += [
            f"{facts.source.case_id}: {facts.n_channels} channels; expected {usual}, as {counts[usual]} "
            "cases have"
            for facts in made.facts
            if facts.n_channels != usual
        ]
        return
    if n_channels > formats.CHANNELS_MAX:
        made.faults.append(
            f"{n_channels} channels a case (the 4th axis may be time); at most {formats.CHANNELS_MAX} are "
            "read. Write those that count as files of their own"
        )
        return
    given = asked.modality or listing.channels
    if given and len(given) != n_channels:
        whose = "--modality" if asked.modality else "the data set"
        made.faults.append(
            f"{whose} names {len(given)} channels ({', '.join(given)}); images have {n_channels}. --modality "
            "NAME,NAME names each, in their order"
        )
        return
    if given:
        made.channels = given
    elif is_colour:
        made.channels = COLOURS
    elif listing.published is not None:
        made.channels = (listing.published.modality,)
    elif pictures:
        made.channels = ("grey",)
    else:
        made.channels = (TO_DECIDE,)
        if n_channels > 1:
            made.channels = tuple(f"{TO_DECIDE} {number}" for number in range(n_channels))
        made.undecided.append("what the channels are (CT, T2, …): --modality NAME, or NAME,NAME for several")


def _name_labels(listing: Listing, asked: Asked, made: Checked) -> None:
    """Says which value gets which name and number, and adds the values that have none."""
    found = {value for facts in made.facts for value in facts.values} - {0}
    are_pictures = all(facts.is_picture for facts in made.facts)
    named = dict(_declared(listing.declared, made.faults)) if listing.declared else {}
    named |= {value: name for name, value in asked.labels}
    if not found:
        made.faults.append("no label map holds another value than 0: there is nothing to learn from")
    if named and are_pictures and set(named) == {1} and found == {WHITE}:
        named = {WHITE: named[1]}
    if not named:
        if len(found) >= formats.LABELS_MAX:
            made.faults.append(
                f"label maps hold {len(found)} different values beside 0; expected at most "
                f"{formats.LABELS_MAX - 1}, one for each kind of structure. Do they count objects? Write 1 "
                "for all of one kind"
            )
            return
        named = {value: f"label_{number}" for number, value in enumerate(sorted(found), 1)}
        if found:
            listed = _listed([f"{name} (value {value})" for value, name in sorted(named.items())])
            made.undecided.append(f"what the labels are, now {listed}: --label NAME=VALUE, once for each")
    else:
        _check_declared(named, found, {value for _, value in asked.labels}, made)
    for number, value in enumerate(sorted(named), 1):
        made.labels[number], made.new_value[value] = named[value], number
    moved = [f"{value} to {number}" for value, number in sorted(made.new_value.items()) if value != number]
    if moved:
        made.notes.append(f"values of label maps were brought from {_listed(moved)}")


def _name_classes(listing: Listing, asked: Asked, made: Checked) -> None:
    """Says which number is which class. The first one is what has none of the others."""
    found = {value for facts in made.facts for value in facts.values}
    named = {value: name for name, value in asked.labels}
    if not named and listing.class_names:
        named = dict(listing.class_names)
    if not named and listing.published is not None:
        named = dict(enumerate(listing.published.labels))
    if not listing.is_exclusive:
        named.setdefault(0, NONE_OF_THEM)
    if not named:
        named = {value: f"class_{value}" for value in sorted({0, *found})}
        listed = _listed(named.values())
        made.undecided.append(f"what the classes are, now {listed}: --label NAME=VALUE, once for each")
    if unknown := sorted(found - named.keys()):
        made.faults.append(
            f"classes {_listed(map(str, unknown))} have no name; declare each with --label NAME=VALUE"
        )
    elif unmet := sorted(named.keys() - found - {0}):
        made.faults.append(
            f"--label: no case is of {_listed(f'{named[value]}={value}' for value in unmet)}; found "
            f"{_listed(map(str, sorted(found)))}"
        )
    for number, value in enumerate(named):
        made.labels[number], made.new_value[value] = named[value], number
    made.notes.append(
        "subjects are unknown: each image counts as a person of its own, so that intervals may be too narrow "
        "and parts may share a person"
    )


def _check_declared(named: dict[int, str], found: set[int], asked: set[int], made: Checked) -> None:
    expected = " ".join(map(str, sorted({0, *named})))
    for facts in made.facts:
        if unknown := [value for value in facts.values if value and value not in named]:
            made.faults.append(
                f"{facts.source.case_id}: label map {facts.source.label_map} holds "
                f"{_listed(map(str, unknown))}; expected {expected}. Declare it with --label NAME=VALUE, or "
                "correct the label map"
            )
    made.faults += [
        f"--label {named[value]}={value}: no label map holds {value}; found "
        f"{_listed(map(str, sorted(found))) or 'none'}"
        for value in sorted(asked & named.keys() - found)
    ]


def _declared(declared: dict[str, Any], faults: list[str]) -> list[tuple[int, str]]:
    """The labels of a dataset.json, value and name, without the background."""
    labels: Any = declared.get("labels")
    pairs: list[tuple[int, str]] = []
    try:
        for key, value in labels.items():
            pairs.append((int(key), str(value)) if str(key).isdigit() else (int(value), str(key)))
    except (AttributeError, TypeError, ValueError):
        faults.append(f"dataset.json: labels: found {labels!r}, expected values with their names")
    return [(value, name) for value, name in pairs if value]


def _say_spacing(seen: _Seen, made: Checked) -> None:
    if n_unknown := seen.spacing_from[reading.UNKNOWN]:
        made.undecided.append(
            f"how large a pixel is: {n_unknown} pictures do not say, and 1 mm was written; --pixel-mm MM "
            "says it. Without it, volumes and distances mean nothing"
        )
    if n_tags := seen.spacing_from[reading.OF_TAGS]:
        sizes = sorted(seen.spacings)
        listed = _listed([" x ".join(f"{value:g}" for value in size) for size in sizes])
        made.undecided.append(
            f"whether a pixel is as large as the tags of {n_tags} pictures say ({listed} mm); --pixel-mm MM "
            "says otherwise"
        )


def _listed(texts) -> str:
    texts = list(texts)
    more = f" and {len(texts) - VALUES_SHOWN} more" if len(texts) > VALUES_SHOWN else ""
    return ", ".join(texts[:VALUES_SHOWN]) + more


def _by(size) -> str:
    return " x ".join(map(str, size))
