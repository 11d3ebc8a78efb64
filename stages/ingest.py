"""ingest: brings raw images and label maps to one orientation and describes them.

Reads   data/, data.sha256
Writes  build/ingest/: dataset.json, volumes/images/, volumes/label_maps/, provenance.json
Params  ingest.*
Stops   when data/ differs from its manifest, also while it is read, or dataset.json and cases.csv contradict
        each other or the files
State   .memo/ingest/: the work on each case, for the next run
A damaged image does not stop it: it is recorded, so that validate can list it among all other faults.
"""

import argparse
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from radiotrace import errors, records
from radiotrace.errors import StageError
from radiotrace.imaging import (
    bias_field,
    content,
    decoding,
    foreground,
    formats,
    headers,
    identity,
    image,
    volumes,
)
from radiotrace.imaging.channels import Channel
from radiotrace.imaging.foreground import Box
from radiotrace.pipeline import memo, parallel, params, runs, stage
from radiotrace.pipeline.followed import followed
from radiotrace.pipeline.memo import Kept, Memo
from radiotrace.records import merkle
from radiotrace.records.dataset import (
    CanonicalGrid,
    Case,
    CutTo,
    Dataset,
    DeclaredChannel,
    DividedOut,
    FileGrid,
    Identity,
    ImageFile,
    Intensity,
    LabelMapFile,
    file_hashes,
    known,
)
from radiotrace.records.preprocessing import BiasField
from radiotrace.records.sections.ingest import IngestParams
from radiotrace.records.typed import picked
from radiotrace.records.values import Part

# The file of a channel, or that of a label map.
Found = TypeVar("Found", ImageFile, LabelMapFile)


def describe_image(array_zyx: np.ndarray) -> Intensity:
    """Range, mean, SD and percentiles of the finite voxels; all null when there is none."""
    finite = array_zyx[np.isfinite(array_zyx)].astype(np.float64)
    names = ("min", "p0_5", "median", "p99_5", "max", "mean", "sd")
    if not finite.size:
        return Intensity(**dict.fromkeys(names))
    peak = np.abs(finite).max() or 1.0  # scaled, because the square of a large value is beyond float64
    unit = peak if peak > 1e150 else 1.0  # the same for differences, where they need it
    values = [
        *(unit * np.percentile(finite / unit, (0, 0.5, 50, 99.5, 100))),
        peak * (finite / peak).mean(),
        peak * (finite / peak).std(),
    ]
    return Intensity(**{name: float(value) for name, value in zip(names, values, strict=True)})


def describe_label_map(array_zyx: np.ndarray, spacing_mm) -> dict[str, float]:
    """Volume of each value that occurs, background left out."""
    values, counts = np.unique(array_zyx[np.isfinite(array_zyx)], return_counts=True)
    voxel_mm3 = float(np.prod(spacing_mm))
    return {
        _plain(value): int(count) * voxel_mm3
        for value, count in zip(values, counts, strict=True)
        if value != 0
    }


def _plain(value) -> str:
    """A label value with all its digits, because 1.0000001 is not label 1; whole numbers without a point."""
    return str(int(value)) if value == int(value) else repr(float(value))


def compact(volume, array_zyx: np.ndarray):
    """A label map as uint8 where its values allow it, else as it was, for validate to complain about."""
    fits = np.isfinite(array_zyx).all() and array_zyx.min() >= 0 and array_zyx.max() <= 255
    as_bytes = array_zyx.astype(np.uint8) if fits else None
    return (
        volume if as_bytes is None or (as_bytes != array_zyx).any() else volumes.from_array(as_bytes, volume)
    )


@dataclass(frozen=True)
class OpenedFile:
    """A file of a case, decoded.

    Attributes:
        sha256: of its bytes.
        text: what their header says besides, by kind.
    """

    path: str
    sha256: str
    decoded: decoding.Decoded
    text: dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where the files of a case are brought to.

    Attributes:
        like: grid of the first channel, for a further one: where it has as many voxels, it is laid on that
            grid before it is turned, so that the channels of a case stay on one. validate refuses a case
            whose channels lie apart.
        box: what files of the size of its whole are cut to.
        bias_field: what the file is divided by, if anything.
    """

    like: FileGrid | None = None
    box: Box | None = None
    bias_field: BiasField | None = None


WHOLE = Place()  # as it is


def opened(raw: Path, path: str, kind: type[Found]) -> OpenedFile | Found:
    """A file, read once: the volume is decoded from the bytes of which the hash is recorded. Where it holds
    none, its description with the fault."""
    try:
        file_content = content.read(raw / path)
    except content.VolumeError as error:
        return faulty(path, records.sha256(raw / path), str(error), kind)
    sha256 = file_content.sha256
    try:
        headers.check_unit(file_content.data)
        decoded = decoding.decode(file_content.data, path)
    except content.VolumeError as error:
        return faulty(path, sha256, errors.shown_short(str(error)), kind)
    original = decoded.volume
    if original.GetDimension() != 3 or original.GetNumberOfComponentsPerPixel() != 1:
        size, values = " x ".join(map(str, original.GetSize())), original.GetNumberOfComponentsPerPixel()
        fault = f"{original.GetDimension()}-D ({size}), {values} value(s) a voxel"
        return faulty(path, sha256, fault, kind)
    if "complex" in original.GetPixelIDTypeAsString():
        fault = f"holds values of type {original.GetPixelIDTypeAsString()}"
        return faulty(path, sha256, fault, kind)
    return OpenedFile(path, sha256, decoded, headers.analyze_text(file_content.data))


def bring_in(
    file: OpenedFile | Found,
    kind: type[Found],
    settings: IngestParams,
    out: Path,
    volume_path: str,
    place: Place = WHOLE,
) -> Found:
    """Writes one file's canonical volume and returns its description; a fault takes the place of what is
    unknown. `warnings` is there where the header leaves a doubt.

    Args:
        file: of `opened`.
    """
    if not isinstance(file, OpenedFile):
        return file
    path, sha256, decoded = file.path, file.sha256, file.decoded
    original = laid = decoded.volume
    if place.like is not None and place.like.size_voxels == original.GetSize():
        laid = image.on(volumes.array_zyx(original), image.Grid.of_record(place.like.record()))
    if place.box is not None and place.box.of_voxels == laid.GetSize():
        laid = place.box.cut(laid)
    divided = None
    try:
        if place.bias_field is not None and _is_finite(decoded):  # validate refuses what is not
            turned = volumes.canonical(laid, settings.orientation, None, is_label_map=False)
            corrected = bias_field.corrected(turned, place.bias_field)
            divided, laid = picked(DividedOut, corrected), corrected.volume
        volume = volumes.canonical(laid, settings.orientation, settings.spacing_mm, kind is LabelMapFile)
    except content.VolumeError as error:
        return faulty(path, sha256, str(error), kind)
    array = volumes.array_zyx(volume)
    written = out / "volumes" / volume_path
    volumes.write(compact(volume, array) if kind is LabelMapFile else volume, written)
    free_text = decoded.free_text | file.text
    found: dict[str, Any] = {
        "path": path,
        "sha256": sha256,
        "fault": None,
        "grid": FileGrid.of(volumes.grid(original)),
        "pixel_type": original.GetPixelIDTypeAsString(),
        "volume": volume_path,
        "volume_sha256": records.sha256(written),
        "voxels_sha256": identity.voxels_sha256(volume),
        "non_finite_voxels": decoded.n_non_finite or int((~np.isfinite(array)).sum()),
        "identifying_text": tuple(headers.identifying_text(original, free_text)),
        "warnings": tuple(decoded.warnings) or None,
    }
    if kind is LabelMapFile:
        found["label_volumes_mm3"] = describe_label_map(array, volume.GetSpacing())
    else:
        found |= {"intensity": describe_image(array), "bias_field": divided}
    return kind(**found)


def _is_finite(decoded: decoding.Decoded) -> bool:
    return not decoded.n_non_finite and bool(np.isfinite(volumes.array_zyx(decoded.volume)).all())


def faulty(path: str, sha256: str, fault: str, kind: type[Found]) -> Found:
    """What is known of a file that cannot be read."""
    found: dict[str, Any] = {
        "path": path,
        "sha256": sha256,
        "fault": fault,
        "grid": None,
        "pixel_type": None,
        "volume": None,
        "volume_sha256": None,
        "voxels_sha256": None,
        "non_finite_voxels": None,
        "identifying_text": (),
    }
    found["label_volumes_mm3" if kind is LabelMapFile else "intensity"] = None
    return kind(**found)


def box_of(files: Collection[OpenedFile | ImageFile], margin_voxels: int) -> Box | None:
    """What a case is cut to; None where a channel cannot be read or has another size, for validate to refuse,
    and where every voxel is 0."""
    channels_zyx = [volumes.array_zyx(file.decoded.volume) for file in files if isinstance(file, OpenedFile)]
    if len(channels_zyx) < len(files) or len({channel.shape for channel in channels_zyx}) > 1:
        return None
    return foreground.box(channels_zyx, margin_voxels)


def cut_to(box: Box, label_map: OpenedFile | LabelMapFile | None) -> CutTo:
    """What the record of a case says of its cut."""
    outside = None
    if isinstance(label_map, OpenedFile) and label_map.decoded.volume.GetSize() == box.of_voxels:
        labelled = volumes.array_zyx(label_map.decoded.volume) != 0
        outside = int(labelled.sum()) - int(labelled[box.part_zyx].sum())
    return CutTo(box.begin_voxels, box.size_voxels, box.share, outside)


def bring_in_case(
    case: formats.Case, raw: Path, settings: IngestParams, out: Path, declared: Sequence[Channel]
) -> Case:
    """Writes the canonical volumes of a case, and returns its entry of the record 'dataset'. Several channels
    are named as nnU-Net names them, _0000 and on.

    Args:
        declared: the channels of the data set.
    """
    case_id, paths = case.case_id, case.images
    suffixes = [""] if len(paths) == 1 else [f"_{number:04d}" for number in range(len(paths))]
    names = [f"images/{case_id}{suffix}.nii.gz" for suffix in suffixes]
    box, opened_files = None, {}
    if settings.crop is not None:
        opened_files = {path: opened(raw, path, ImageFile) for path in paths}
        box = box_of(opened_files.values(), settings.crop.margin_voxels)
    images: list[ImageFile] = []
    for path, name, channel in zip(paths, names, declared, strict=True):
        asked = settings.bias_field
        place = Place(
            images[0].grid if images else None,
            box,
            asked if asked is not None and bias_field.is_asked(asked, channel) else None,
        )
        # opened here where no box was asked for, so that no more than one channel is in memory
        file = opened_files.pop(path, None) or opened(raw, path, ImageFile)
        images.append(bring_in(file, ImageFile, settings, out, name, place))
        del file
    first, *further = images
    label_map, file = None, None
    if case.label_map is not None:
        file = opened(raw, case.label_map, LabelMapFile)
        name = f"label_maps/{case_id}.nii.gz"
        label_map = bring_in(file, LabelMapFile, settings, out, name, Place(box=box))
    return Case(
        case_id=case_id,
        subject_id=case.subject_id,
        attributes=case.attributes,
        image=first,
        label_map=label_map,
        further_channels=tuple(further) or None,
        values=case.values or None,
        cut_to=None if box is None else cut_to(box, file),
    )


def every_case(
    dataset: formats.Dataset,
    each,
    kept: Memo,
    listed: dict[str, str],
    settings: IngestParams,
    raw: Path,
    out: Path,
) -> Iterator[Case]:
    """The entry of each case, in their order, with its canonical volumes written.

    Args:
        each: of parallel.pool.
        listed: path in the data folder -> SHA-256.
    """

    names = [channel.name for channel in dataset.channels]

    def inputs(case: formats.Case) -> list:
        # not its subject and attributes, which may change with cases.csv, and with the set
        of_channels = [] if settings.bias_field is None else [list(map(str, names))]
        return [case.case_id, [[path, listed.get(path)] for path in case.files], *of_channels]

    def to_keep(_, entry: Case) -> Kept | None:
        if any(listed.get(source.path) != source.sha256 for source in entry.sources):
            return None  # it changed after it was listed, as check_read will say
        files = {f"volumes/{file.volume}": known(file.volume_sha256) for file in entry.sources if file.volume}
        return Kept(entry.record(), files)

    def again(case: formats.Case, record: dict) -> Case:
        of_tables = {"subject_id": case.subject_id, "attributes": case.attributes}
        return replace(Case.of(record | of_tables), values=case.values or None)

    def work(missing: list[formats.Case]) -> Iterator[Case]:
        declared = dataset.channels
        return each(bring_in_case, missing, raw=raw, settings=settings, out=out, declared=declared)

    return kept.through(dataset.cases, inputs, work, to_keep, again)


def declared_channels(dataset: formats.Dataset) -> tuple[DeclaredChannel, ...] | None:
    """What the record says of several channels; of one, its modality says all."""
    if len(dataset.channels) == 1:
        return None
    return tuple(DeclaredChannel.of(channel.record()) for channel in dataset.channels)


def main(args):
    settings = IngestParams.of(params.load(args.params, "ingest"))
    with stage.output_folder(args.out) as out, parallel.pool(args) as each:
        identity.check_manifest(args.data, args.manifest)
        bands = {column: list(limits) for column, limits in settings.bands.items()}
        dataset = formats.read_dataset(args.data, settings.missing_words, bands)
        if wrong := bias_field.faults(settings.bias_field, dataset.channels):
            raise StageError(
                "channels have no bias field that could be divided out",
                wrong,
                "Name those that have one in ingest.bias_field.channels, or leave ingest.bias_field empty.",
            )
        for note in dataset.notes:
            errors.log(f"ingest: {note}")
        listed = identity.listed(args.data, args.manifest)
        decided_by = runs.provenance(__file__, settings.record(), args.requirements, [])
        kept = Memo(args, "ingest", decided_by, out)
        entries = every_case(dataset, each, kept, listed, settings, Path(args.data), out)
        cases = list(followed(entries, len(dataset.cases), "ingest"))
        files = file_hashes(cases)
        identity.check_read(args.data, args.manifest, files | dataset.tables_sha256)
        records.write(
            out / "dataset.json",
            Dataset(
                Identity(
                    **dataset.identity,
                    labels=dataset.labels,
                    cases=len(cases),
                    subjects=len({case.subject_id for case in cases}),
                    root_sha256=merkle.root(files),
                    channels=declared_channels(dataset),
                    columns=dataset.columns or None,
                    published_cases=cast(Mapping[Part, Mapping[str, int]] | None, dataset.published_cases),
                    subjects_unknown=dataset.subjects_unknown,
                ),
                picked(CanonicalGrid, settings),
                tuple(cases),
            ).record(),
            "dataset",
        )
        records.write(
            out / "provenance.json",
            runs.provenance(__file__, settings.record(), args.requirements, [args.manifest]),
            "provenance",
        )
    errors.log(f"ingest: wrote {args.out}/ with {len(cases)} cases")


parser = argparse.ArgumentParser(
    prog="ingest",
    description=__doc__,
    formatter_class=argparse.RawDescriptionHelpFormatter,
    parents=[parallel.options(), memo.options()],
)
parser.add_argument("--data", required=True, help="folder of raw data")
parser.add_argument("--manifest", required=True, help="SHA-256 of every file in it")
parser.add_argument("--out", required=True, help="folder to write")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
