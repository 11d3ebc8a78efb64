"""Conversion: a tree of mixed DICOM files to a folder in the layout of the Medical Segmentation Decathlon, or
of nnU-Net where a case has several channels.

A case is a volume of one series, or of one series for each channel. What reaches the folder is voxels, their
place, label names that the caller chose, and hashes; no text, no UID and no date of a header.
"""

import csv
import hashlib
import hmac
import importlib.metadata
import io
import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from radiotrace import records
from radiotrace.errors import StageError, listed, log
from radiotrace.imaging import image, tables, volumes
from radiotrace.imaging.child import Child, Limits, Refused
from radiotrace.imaging.dicom import (
    channel_rules,
    label_names,
    pixels,
    reading,
    segmentations,
    stacks,
    structures,
    suv,
)
from radiotrace.imaging.dicom.channel_rules import ChannelRule
from radiotrace.imaging.dicom.headers import Instance
from radiotrace.imaging.dicom.label_names import Label, plain
from radiotrace.imaging.dicom.stacks import Stack
from radiotrace.imaging.image import Grid
from radiotrace.imaging.new_images import modality_of_dicom
from radiotrace.records.conversion import (
    ChannelChoice,
    Choices,
    Conversion,
    ConvertedCase,
    ConvertedChannel,
    LabelSource,
    LeftOut,
    Suv,
)
from radiotrace.records.dataset import FileGrid

SOFTWARE = ("gdcm", "pydicom", "pyjpegls", "pylibjpeg-openjpeg", "pylibjpeg-rle", "simpleitk", "pillow")
NAME_DIGITS = 12
MODALITY_ANY = "any"  # of a channel that is told by description alone
RECORD = "conversion.json"
WAY_OUT = (
    "Correct or take away what is named and run it again; --skip-faulty writes the rest, and lists what was "
    "left out in conversion.json."
)


@dataclass(frozen=True)
class Request:
    """What is wanted of a tree; the record's Choices say what each means.

    Attributes:
        name, licence: of the data set, for dataset.json.
        key: that hashes are made under; b"" for none.
        modality: of DICOM; None where the tree has but one.
        description: that SeriesDescription must fit.
        channels: of a case, in their order; () where a case is of one series.
        grid: name of the channel onto whose grid the others are brought.
    """

    name: str
    labels: tuple[Label, ...]
    licence: str | None = None
    subject_rule: Literal["hash", "keep"] = "hash"
    key: bytes = b""
    modality: str | None = None
    description: re.Pattern | None = None
    several: Literal["refuse", "first", "each"] = "refuse"
    unlabelled: Literal["leave-out", "keep"] = "leave-out"
    overlap: Literal["refuse", "last"] = "refuse"
    between_slices: Literal["refuse", "nearest"] = "refuse"
    fraction: float | None = None
    suv: Literal["bw"] | None = None
    skip_faulty: bool = False
    channels: tuple[ChannelRule, ...] = ()
    grid: str | None = None
    limits: Limits = field(default_factory=Limits)

    @property
    def grid_number(self) -> int:
        """The channel on whose grid a case lies."""
        return [rule.name for rule in self.channels].index(self.grid or "") if self.channels else 0


@dataclass
class Findings:
    """What a conversion has left out so far, and why."""

    left_out: list[LeftOut] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def faulty(self, series: str | None, place: str, n_files: int, found: Sequence[str]) -> None:
        """Notes faults of a series, or of files that belong to none.

        Args:
            place: where in the tree it lies, for the message; the record does not have it.
        """
        self.left_out.append(LeftOut(series, n_files, "faulty", tuple(found)))
        named = f"series {series} ({place})" if series else place
        self.faults += [f"{named}: {finding}" for finding in found]


def _ready() -> None:
    """In the child, which imports this module, and with it all that reads, to find this."""


def convert(tree: Path, folder: Path, request: Request, reader: Child | None = None) -> Conversion:
    """Fills an empty folder with imagesTr/, labelsTr/, dataset.json, cases.csv and conversion.json.

    The same files give the same bytes, whatever they are called and wherever they lie.

    Args:
        reader: a process that reads and goes on afterwards; by default one of its own.

    Raises:
        StageError: names every fault that was found; the folder is then not fit for use. Under
            `skip_faulty`, only where no case is left.
    """
    findings = Findings()
    with nullcontext(reader) if reader else Child(request.limits, _ready) as child:
        instances, not_dicom = _read(tree, request, child, findings)
        chosen = _choose(instances, request, findings)
        cases: list[ConvertedCase] = []
        for number, of_case in enumerate(chosen, 1):
            cases += _converted(of_case, tree, folder, request, child, findings)
            log(f"from-dicom: {number}/{len(chosen)} {'studies' if request.channels else 'series'}")
    if findings.faults and not request.skip_faulty:
        n_series = sum(entry.reason == "faulty" for entry in findings.left_out)
        raise StageError(
            f"nothing was written: {len(findings.faults)} faults in {n_series} series or files",
            findings.faults,
            WAY_OUT,
        )
    for fault in listed(findings.faults):
        log(f"from-dicom: left out: {fault}")
    if not cases:
        raise StageError(
            "nothing was written: 0 cases are left", [*findings.faults, *_summed(findings.left_out)], WAY_OUT
        )
    cases.sort(key=lambda case: case.case_id)
    made = Conversion(
        choices=_choices(request, instances),
        software={name: importlib.metadata.version(_package(name)) for name in SOFTWARE},
        cases=tuple(cases),
        left_out=tuple(sorted(findings.left_out, key=_order)),
        not_dicom=not_dicom,
        passed_over=dict(sorted(Counter(one.class_name for one in instances if one.kind == "other").items())),
    )
    _write_tables(folder, request, made)
    records.write(folder / RECORD, made.record(), "conversion")
    return made


def _package(name: str) -> str:
    return {"gdcm": "python-gdcm"}.get(name, name)


def _order(entry: LeftOut) -> tuple:
    return entry.series or "", entry.reason, entry.files, entry.findings


def _summed(left_out: Sequence[LeftOut]) -> list[str]:
    """How many series were left out for each reason other than a fault."""
    reasons = Counter(entry.reason for entry in left_out if entry.reason != "faulty")
    return [f"{count} series left out: {reason}" for reason, count in sorted(reasons.items())]


def _read(tree: Path, request: Request, child: Child, findings: Findings) -> tuple[list[Instance], int]:
    """Headers of all DICOM files, as reading.headers_of; what cannot be read is noted."""
    found = reading.headers_of(tree, child, request.limits, "from-dicom")
    for path, fault in found.faults:
        findings.faulty(None, path, 1, [fault])
    if not found.instances:
        raise StageError(
            f"nothing was written: 0 DICOM files in {found.n_files} files of {tree}", findings.faults, WAY_OUT
        )
    return list(found.instances), found.not_dicom


@dataclass(frozen=True)
class Series:
    """Images of one SeriesInstanceUID, and the label objects that were drawn on them.

    Attributes:
        name: its hash.
        place: path of its first file by name, for messages.
        copies: files that were there more than once.
        labelled_by: segmentations and structure sets that have a wanted label.
    """

    name: str
    place: str
    instances: tuple[Instance, ...]
    copies: int
    labelled_by: tuple[Instance, ...]


def _choose(instances: Sequence[Instance], request: Request, findings: Findings) -> list[tuple[Series, ...]]:
    """The series that become cases, one for each channel, sorted by name; what is left out for another reason
    is noted."""
    images = [one for one in instances if one.kind == "image"]
    # files that differ are two objects, whatever their SOPInstanceUID is: whether they agree, _labels sees
    of_bytes = {one.bytes_sha256: one for one in instances if one.kind in ("segmentation", "structures")}
    objects = sorted(of_bytes.values(), key=lambda one: (one.sop_instance, one.bytes_sha256))
    modality = "" if request.channels else _modality(images, request)
    if request.labels == () and request.unlabelled == "leave-out":
        raise label_names.none_wanted(objects, images)
    if unknown := label_names.unknown(request.labels, objects):
        raise label_names.not_there(unknown, objects, images)
    labels_of = _labels_of(objects, images, request, findings)
    of_series: dict[str, list[Instance]] = defaultdict(list)
    for one in images:
        of_series[one.series].append(one)
    if request.channels:
        chosen = _of_channels(of_series, labels_of, request, findings)
    else:
        chosen = _of_one(of_series, labels_of, modality, request, findings)
    return sorted(chosen, key=lambda of_case: of_case[request.grid_number].name)


def _labels_of(
    objects: Sequence[Instance], images: Sequence[Instance], request: Request, findings: Findings
) -> Mapping[str, list[Instance]]:
    """UID of a series -> the label objects with a wanted label that were drawn on it."""
    wanted = {plain(source) for label in request.labels for source in label.sources}
    labels_of: dict[str, list[Instance]] = defaultdict(list)
    here = {one.series for one in images}
    for one in objects:
        if not wanted & {plain(structure.name) for structure in one.structures}:
            continue
        refers_to = [uid for uid in one.refers_to if uid in here]
        refers_to = refers_to or _of_frame(one, images)
        if not refers_to:
            findings.faulty(
                _hashed("series", one.series, request.key),
                one.path,
                1,
                ["has wanted labels, but the series that it was drawn on is not in the tree; expected both"],
            )
        for uid in refers_to:
            labels_of[uid].append(one)
    return labels_of


def _of_one(
    of_series: Mapping[str, Sequence[Instance]],
    labels_of: Mapping[str, list[Instance]],
    modality: str,
    request: Request,
    findings: Findings,
) -> list[tuple[Series, ...]]:
    """Where a case has one channel: each series that is wanted."""
    chosen = []
    for uid, members in of_series.items():
        name = _hashed("series", uid, request.key)
        reason = _left_out(members, bool(labels_of.get(uid)), modality, request)
        if reason:
            findings.left_out.append(LeftOut(name, len(members), reason, ()))
            continue
        series, faults = _series(members, labels_of.get(uid, []), request)
        if faults:
            findings.faulty(name, series.place, len(members), faults)
        else:
            chosen.append((series,))
    return chosen


def _of_channels(
    of_series: Mapping[str, Sequence[Instance]],
    labels_of: Mapping[str, list[Instance]],
    request: Request,
    findings: Findings,
) -> list[tuple[Series, ...]]:
    """Where a case has several channels: the series of one study and one frame of reference.

    Raises:
        StageError: no series of the tree is one of the channels.
    """
    candidates = {uid: members for uid, members in of_series.items() if not _is_localiser(members)}
    if missing := [rule for rule in request.channels if not any(map(rule.takes, candidates.values()))]:
        raise _no_channel(missing, candidates)
    groups = channel_rules.grouped(candidates, request.channels)
    used = {uid for group in groups for uid in group.series}
    findings.left_out += [
        LeftOut(
            _hashed("series", uid, request.key),
            len(members),
            "of no channel" if uid in candidates else "localiser",
            (),
        )
        for uid, members in of_series.items()
        if uid not in used
    ]
    chosen = []
    for group in groups:
        if not any(labels_of.get(uid) for uid in group.series) and request.unlabelled == "leave-out":
            findings.left_out += [
                LeftOut(_hashed("series", uid, request.key), len(of_series[uid]), "unlabelled", ())
                for uid in group.series
            ]
            continue
        made = {uid: _series(of_series[uid], labels_of.get(uid, []), request) for uid in group.series}
        faults = [*group.faults, *_drawn_elsewhere(group, made, request)]
        faults += [fault for _, own in made.values() for fault in own]
        if faults:
            places = ", ".join(sorted(series.place for series, _ in made.values()))
            n_files = sum(len(of_series[uid]) for uid in made)
            findings.faulty(_hashed("series", group.series[0], request.key), places, n_files, faults)
        else:
            chosen.append(tuple(made[uid][0] for (uid,) in group.of_channel))
    return chosen


def _drawn_elsewhere(
    group: channel_rules.Grouped, made: Mapping[str, tuple[Series, list[str]]], request: Request
) -> list[str]:
    """Of each other channel than that of the grid, that labels were drawn on it alone: a label map is not
    resampled, and no label may be left out unsaid."""
    drawn_on = {
        rule.name: {one.path for uid in uids for one in made[uid][0].labelled_by}
        for rule, uids in zip(request.channels, group.of_channel, strict=True)
    }
    on_grid = drawn_on.pop(request.grid or "")
    return [
        f"labels were drawn on channel {name}, expected on {request.grid}, whose grid a case gets: label "
        f"maps are not resampled. {'Take these out of the tree' if on_grid else f'Choose --grid {name}'}"
        for name, paths in drawn_on.items()
        if paths - on_grid
    ]


def _no_channel(missing: Sequence[ChannelRule], of_series: Mapping[str, Sequence[Instance]]) -> StageError:
    """Nothing in the tree is a channel: says what there is."""
    there = Counter((members[0].modality, members[0].description) for members in of_series.values())
    return StageError(
        f"nothing was written: no series of the tree is {' and none is '.join(map(str, missing))}",
        [
            f"found {count} series of modality {modality or 'none'}, description {description!r}"
            for (modality, description), count in sorted(there.items())
        ],
        "Say with --channel NAME=modality:MODALITY,description:PATTERN which series is which channel.",
    )


def _series(
    members: Sequence[Instance], labelled_by: Sequence[Instance], request: Request
) -> tuple[Series, list[str]]:
    """A series with each SOPInstanceUID once, and faults where copies differ."""
    once, copies, faults = reading.once(members)
    name = _hashed("series", members[0].series, request.key)
    place = min(one.path for one in members)
    return Series(name, place, tuple(once), copies, tuple(labelled_by)), faults


def _is_localiser(members: Sequence[Instance]) -> bool:
    return all(stacks.LOCALISER in plane.image_type for one in members for plane in one.planes)


def _left_out(members: Sequence[Instance], is_labelled: bool, modality: str, request: Request):
    """Why a series is none that is wanted; None where it is one."""
    if any(one.modality != modality for one in members):
        return "other modality"
    if request.description and not any(request.description.search(one.description) for one in members):
        return "other description"
    if _is_localiser(members):
        return "localiser"
    return None if is_labelled or request.unlabelled == "keep" else "unlabelled"


def _modality(images: Sequence[Instance], request: Request) -> str:
    """The modality of the images that are wanted.

    Raises:
        StageError: there are several, and none was chosen, or none of the one that was.
    """
    of_series = Counter({(one.modality, one.series) for one in images})
    found = Counter(modality for modality, _ in of_series)
    said = ", ".join(f"{modality or 'none'} ({count} series)" for modality, count in sorted(found.items()))
    if request.modality is not None and request.modality in found:
        return request.modality
    if request.modality is None and len(found) == 1 and next(iter(found)).isalnum():
        return next(iter(found))
    raise StageError(
        f"nothing was written: modality: found {said or 'no images'}, expected {request.modality or 'one'}",
        way_out="Choose with --modality; or with --channel and --grid, where they are channels of one case.",
    )


def _of_frame(one: Instance, images: Sequence[Instance]) -> list[str]:
    """Series that share the frame of reference of a label object, where it names none; sorted."""
    if one.refers_to:
        return []
    frames = {structure.frame_of_reference for structure in one.structures} | {one.frame_of_reference}
    return sorted({other.series for other in images if other.frame_of_reference in frames - {""}})


def _converted(
    of_case: tuple[Series, ...], tree: Path, folder: Path, request: Request, child: Child, findings: Findings
) -> list[ConvertedCase]:
    """The cases of a series, or of one for each channel, written; [] where it has faults, which are noted."""
    on_grid = of_case[request.grid_number]
    instances = [one for series in of_case for one in series.instances]
    n_files = len(instances) + sum(series.copies for series in of_case)
    place = ", ".join(series.place for series in of_case)
    subject, faults = _subject(instances, request)
    stacks_of_channel: list[Sequence[Stack]] = []
    for number, series in enumerate(of_case):
        wanted, own_faults = _stacks(series, request)
        stacks_of_channel.append(wanted)
        faults += [f"{_of_channel(request, number)}{fault}" for fault in own_faults]
    if faults:
        findings.faulty(on_grid.name, place, n_files, faults)
        return []
    # several volumes of a series are a case each, but where a case has several channels: then each has one
    chosen = list(zip(*stacks_of_channel, strict=True))
    cases, misfits = [], []
    for number, volumes_of_case in enumerate(chosen, 1):
        case_id = f"case_{on_grid.name}" + (f"_{number}" if len(chosen) > 1 else "")
        try:
            cases.append(_case(case_id, subject, of_case, volumes_of_case, tree, folder, request, child))
        except _Misfit as misfit:
            misfits.append(str(misfit))
        except (Refused, ValueError) as error:
            findings.faulty(on_grid.name, place, n_files, [str(error)])
            return []
    if not cases:  # labels may have been drawn on one of several volumes
        drawn = ", ".join(sorted(one.path for one in on_grid.labelled_by))
        findings.faulty(on_grid.name, f"{place}; labels: {drawn}", n_files, sorted(set(misfits)))
    return cases


def _of_channel(request: Request, number: int) -> str:
    """What a finding begins with that is of a channel."""
    return f"channel {request.channels[number].name}: " if request.channels else ""


def _stacks(series: Series, request: Request) -> tuple[Sequence[Stack], list[str]]:
    """The volumes of a series that are wanted, and its faults."""
    faults = [fault for fault in sorted({pixels.fault(one) or "" for one in series.instances}) if fault]
    is_split = request.several != "refuse"
    found = stacks.of_series(series.instances, split_interleaved=is_split)
    faults += found.faults
    chosen = found.stacks
    if len(chosen) > 1 and not is_split:
        names = sorted({name for stack in chosen for name in stack.told_apart_by})
        faults.append(
            f"{len(chosen)} volumes, told apart by {', '.join(names)}; expected one. Choose with --several"
        )
    if request.several == "first":
        chosen = chosen[:1]
    if not chosen and not faults:
        faults.append("0 planes that are no localiser")
    return chosen, faults


class _Misfit(Exception):
    """Labels do not fit a volume."""


def _subject(instances: Sequence[Instance], request: Request) -> tuple[str, list[str]]:
    """Whose images these are, as it may be written, and faults.

    IssuerOfPatientID is not looked at: two people of one id are taken for one, and stand in one part.
    """
    ids = {plain(one.patient_id) for one in instances}
    if len(ids) != 1:
        return "", [f"{len(ids)} PatientIDs in one series; expected one"]
    if ids == {""}:
        return "", ["PatientID is empty, so that nobody knows whose image it is; write one into the files"]
    if request.subject_rule == "hash":
        return f"P{_hashed('subject', ids.pop(), request.key)}", []
    kept = tables.plain(instances[0].patient_id)
    reason = tables.text_fault(kept)
    return kept, [f"PatientID {reason}; expected a text that a table can have"] if reason else []


def _case(
    case_id: str,
    subject: str,
    of_case: tuple[Series, ...],
    of_channels: tuple[Stack, ...],
    tree: Path,
    folder: Path,
    request: Request,
    child: Child,
) -> ConvertedCase:
    """Writes the image of each channel, and the label map.

    Args:
        of_channels: the volume of each series of the case.

    Raises:
        Refused, ValueError: of its pixels, or its SUV.
        _Misfit: labels do not fit it.
    """
    series, stack = of_case[request.grid_number], of_channels[request.grid_number]
    owner = next(one for one in series.instances if one.path == stack.planes[0].path)
    labels, label_map = _labels(series, stack, owner, tree, request, child)
    kind = "Tr" if label_map is not None else "Ts"
    channels = []
    for number, (own, own_stack) in enumerate(zip(of_case, of_channels, strict=True)):
        try:
            values_zyx, channel = _channel(own, own_stack, stack.grid, tree, request, child)
        except (Refused, ValueError) as error:
            raise type(error)(f"{_of_channel(request, number)}{error}") from None
        ending = f"_{number:04d}" if request.channels else ""
        name = request.channels[number].name if request.channels else None
        path = f"images{kind}/{case_id}{ending}.nii.gz"
        volumes.write(image.on(values_zyx, stack.grid), folder / path)
        channels.append(replace(channel, image=path, channel=name))
    path = None
    if label_map is not None:
        path = f"labelsTr/{case_id}.nii.gz"
        volumes.write(image.on(label_map, stack.grid), folder / path)
    return ConvertedCase(
        case_id=case_id,
        subject_id=subject,
        grid=FileGrid.of(stack.grid.record()),
        channels=tuple(channels),
        labels=tuple(labels),
        label_map=path,
    )


def _channel(
    series: Series, stack: Stack, grid: Grid, tree: Path, request: Request, child: Child
) -> tuple[np.ndarray, ConvertedChannel]:
    """Values of one volume on the grid of its case, (z, y, x), and what the record says of them, but for its
    path and its name.

    Raises:
        Refused, ValueError: of its pixels, its SUV, or its place.
    """
    pixels_of = reading.pixels_of(stack, series.instances, tree, child, request.limits)
    owners, values_zyx = pixels_of.owners, pixels_of.values_zyx
    factor = None
    if request.suv and owners[0].modality == "PT":
        factor = _suv(owners)
        values_zyx = (values_zyx * factor.factor).astype(np.float32)
    if not np.isfinite(values_zyx).all():
        raise ValueError("values are not finite once slope and intercept are applied")
    values_zyx, resampled = channel_rules.onto(values_zyx, stack.grid, grid)
    return values_zyx, ConvertedChannel(
        series=series.name,
        image="",
        slices=len(stack.planes),
        pixels_sha256=_digest([_digest_of(frame) for frame in pixels_of.frames]),
        gap_deviation=stack.gap_deviation,
        told_apart_by=stack.told_apart_by,
        copies=series.copies,
        decoders=pixels_of.decoders,
        is_lossy=any(map(pixels.is_lossy, owners)),
        is_rescaled=any((plane.slope, plane.intercept) != (1.0, 0.0) for plane in stack.planes),
        is_turned_over=owners[0].photometric == "MONOCHROME1",
        suv=factor,
        resampled=resampled,
    )


def _suv(owners: Sequence[Instance]) -> Suv:
    try:
        factor = suv.of_series([one.pet for one in owners if one.pet is not None])
    except ValueError as error:
        raise ValueError(f"SUV: {error}") from None
    return Suv(factor.factor, factor.units, factor.decayed_to, factor.is_next_day)


def _labels(
    series: Series, stack: Stack, owner: Instance, tree: Path, request: Request, child: Child
) -> tuple[list[LabelSource], np.ndarray | None]:
    """The label map of a volume, uint8, (z, y, x), and where its labels come from; None without any.

    Raises:
        _Misfit: names everything that does not fit.
    """
    made, faults = [], []
    masks: dict[int, np.ndarray] = {}
    for one in series.labelled_by:
        for value, label in enumerate(request.labels, 1):
            sources = {plain(source) for source in label.sources}
            of_label = [item for item in one.structures if plain(item.name) in sources]
            if not of_label:
                continue
            read = _from_segmentation if one.kind == "segmentation" else _from_structures
            try:
                mask, source = read(one, of_label, value, stack, owner, tree, request, child)
            except (Refused, ValueError) as error:
                faults.append(f"label {label.name}: {error}")
                continue
            if value in masks and not np.array_equal(masks[value], mask):
                faults.append(
                    f"label {label.name}: stands in several segmentations or structure sets, which differ; "
                    f"expected one. Take all but one out of the tree"
                )
            masks.setdefault(value, mask)
            made.append(source)
    if not faults and masks:
        label_map, overlapping = _combined(masks)
        if not overlapping or request.overlap == "last":
            return sorted(made, key=lambda source: (source.value, source.pixels_sha256)), label_map
        faults.append(
            f"{overlapping} voxels are of several labels; expected one. Choose with --overlap last, which "
            f"lets labels that were named later lie on top"
        )
    if faults:
        raise _Misfit("; ".join(faults))
    return [], None


def _combined(masks: Mapping[int, np.ndarray]) -> tuple[np.ndarray, int]:
    """Labels in one map, later ones on top, and how many voxels are of several."""
    label_map = np.zeros(next(iter(masks.values())).shape, np.uint8)
    overlapping = 0
    for value in sorted(masks):
        overlapping += int((label_map[masks[value]] != 0).sum())
        label_map[masks[value]] = value
    return label_map, overlapping


def _from_segmentation(one, of_label, value, stack, owner, tree, request, child):
    """The mask of a label, and where it comes from.

    Raises:
        Refused, ValueError: with a finding.
    """
    if one.frame_of_reference and owner.frame_of_reference not in ("", one.frame_of_reference):
        raise ValueError("was drawn in another frame of reference than that of the image")
    if not pixels.is_read(one.syntax):
        raise ValueError(f"pixels are stored in transfer syntax {one.syntax}, which is not read")
    stored, _ = child.call(pixels.stored, str(tree), one, request.limits)
    masks = [segmentations.mask(stored, one, item.number, stack.grid, request.fraction) for item in of_label]
    mask = np.logical_or.reduce(masks)
    return mask, LabelSource("SEG", value, _digest([_digest_of(stored)]), *_size(mask, stack))


def _from_structures(one, of_label, value, stack, owner, tree, request, child):
    """As _from_segmentation."""
    frames = {item.frame_of_reference for item in of_label} - {""}
    if owner.frame_of_reference and frames - {owner.frame_of_reference}:
        raise ValueError("was drawn in another frame of reference than that of the image")
    contours = child.call(structures.contours, str(tree), one.path, request.limits)
    made = [
        structures.mask(contours.get(item.number, []), stack.grid, request.between_slices)
        for item in of_label
    ]
    corners = [points for item in of_label for _, points in contours.get(item.number, [])]
    mask = np.logical_or.reduce([one_mask.voxels_zyx for one_mask in made])
    return mask, LabelSource(
        "RTSTRUCT",
        value,
        _digest([hashlib.sha256(points.astype("<f8").tobytes()).hexdigest() for points in corners]),
        *_size(mask, stack),
        contours=sum(one_mask.contours for one_mask in made),
        contours_mm3=sum(one_mask.contours_mm3 for one_mask in made),
        empty_slices=sum(one_mask.empty_slices for one_mask in made),
    )


def _size(mask: np.ndarray, stack: Stack) -> tuple[int, float]:
    """Voxels and mm³ of a mask."""
    return int(mask.sum()), float(mask.sum() * np.prod(stack.grid.spacing_mm))


def _write_tables(folder: Path, request: Request, made: Conversion) -> None:
    """dataset.json and cases.csv."""
    labelled = [case for case in made.cases if case.label_map is not None]
    declared = {"name": request.name} | (
        _in_nnunet(made, labelled) if request.channels else _in_decathlon(made, labelled)
    )
    if request.licence:
        declared["licence"] = request.licence
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("case_id", "subject_id"))
    # where nobody has outlined anything yet, whose each image is goes with them to who does
    writer.writerows((case.case_id, case.subject_id) for case in labelled or made.cases)
    whole = json.dumps(declared, indent=2, ensure_ascii=False) + "\n"
    records.write_bytes(folder / "dataset.json", whole.encode())
    records.write_bytes(folder / "cases.csv", text.getvalue().encode())


def _in_decathlon(made: Conversion, labelled: Sequence[ConvertedCase]) -> dict:
    """dataset.json of cases of one channel."""
    others = [case for case in made.cases if case.label_map is None]
    modality = made.choices.modality
    return {
        "modality": {"0": modality_of_dicom(modality)},
        "labels": dict(made.choices.labels),
        "numTraining": len(labelled),
        "training": [
            {"image": f"./{case.channels[0].image}", "label": f"./{case.label_map}"} for case in labelled
        ],
        "numTest": len(others),
        "test": [f"./{case.channels[0].image}" for case in others],
    }


def _in_nnunet(made: Conversion, labelled: Sequence[ConvertedCase]) -> dict:
    """dataset.json of cases of several channels."""
    return {
        "channel_names": {str(number): row.name for number, row in enumerate(made.choices.channels)},
        "labels": {name: int(value) for value, name in made.choices.labels.items()},
        "numTraining": len(labelled),
        "file_ending": ".nii.gz",
    }


def _choices(request: Request, instances: Sequence[Instance]) -> Choices:
    images = [one for one in instances if one.kind == "image"]
    return Choices(
        subject_rule=request.subject_rule,
        is_keyed=bool(request.key),
        modality=_modalities(images, request),
        is_chosen_by_description=request.description is not None,
        several=request.several,
        unlabelled=request.unlabelled,
        overlap=request.overlap,
        between_slices=request.between_slices,
        labels={"0": "background"}
        | {str(value): label.name for value, label in enumerate(request.labels, 1)},
        skips_faulty=request.skip_faulty,
        fraction=request.fraction,
        suv=request.suv,
        channels=tuple(
            ChannelChoice(rule.name, rule.description is not None, rule.modality) for rule in request.channels
        ),
        grid=request.grid,
    )


def _modalities(images: Sequence[Instance], request: Request) -> str:
    """Of the images that were wanted; of several channels with commas between, each once."""
    if not request.channels:
        return _modality(images, request)
    of_rules = {rule.modality or MODALITY_ANY for rule in request.channels}
    return ", ".join(sorted(of_rules))


def _hashed(kind: str, text: str, key: bytes) -> str:
    """A short stable name; under a key nobody else can find which text it stands for by trying."""
    message = f"{kind}\0{text}".encode()
    digest = hmac.new(key, message, "sha256") if key else hashlib.sha256(message)
    return digest.hexdigest()[:NAME_DIGITS]


def _digest_of(array: np.ndarray) -> str:
    """SHA-256 of shape and values, whatever bits they were stored in."""
    return hashlib.sha256(repr(array.shape).encode() + array.astype("<i8").tobytes()).hexdigest()


def _digest(digests: Sequence[str]) -> str:
    return hashlib.sha256("".join(f"{digest}\n" for digest in digests).encode()).hexdigest()
