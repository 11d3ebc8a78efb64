"""boxes: checks the boxes of the reference and brings them to the axes of the canonical volumes.

Reads   data/boxes.csv, or build/ingest/volumes/; data.sha256, build/ingest/dataset.json,
        build/split/split.json
Writes  build/boxes/: boxes.json, provenance.json
Params  boxes.*
Stops   when a box has no size, lies beyond its image, stands twice, has a label or a case that there is not,
        or when cases.csv says that an image has another number of boxes: with all of them
"""

import argparse
import hashlib
import sys
from collections import Counter
from pathlib import Path

from radiotrace import errors, records
from radiotrace.detection import examples, reference
from radiotrace.detection.reference import Place, Row
from radiotrace.errors import StageError
from radiotrace.imaging import columns, identity, volumes
from radiotrace.imaging.image import Grid
from radiotrace.pipeline import params, runs, stage
from radiotrace.records.dataset import Case, Dataset, known
from radiotrace.records.detection.boxes import Box, Boxes
from radiotrace.records.sections.detection.boxes import BoxesParams


def places(cases: list[Case], folder: Path) -> dict[str, Place]:
    """Where the voxels of each case lie."""
    found = {}
    for case in cases:
        volume = volumes.read_canonical(folder / known(case.image.volume), known(case.image.volume_sha256))
        found[case.case_id] = Place(Grid.of_record(known(case.image.grid).record()), Grid.of(volume))
    return found


def from_file(
    data: Path, manifest: Path, dataset: Dataset, folder: Path, settings: BoxesParams
) -> tuple[dict[str, list[Box]], str]:
    """Boxes of each case out of data/boxes.csv, and its SHA-256.

    Raises:
        StageError: names everything that is wrong with it.
    """
    path = data / reference.NAME
    if not path.is_file():
        raise StageError(
            f"{path} is missing",
            way_out="Put it there (docs/detection.md), or set boxes.source to label_maps in params.yaml.",
        )
    cases = [case for case in dataset.cases if case.image.volume is not None]
    names = examples.names_of(dataset.dataset.labels)
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    identity.check_read(data, manifest, {reference.NAME: digest})
    faults: list[str] = []
    rows = reference.read(content, faults)
    where = places(cases, folder)
    faults += reference.faults_of(rows, where, names, settings.left_out, settings.beyond_voxels)
    faults += unlike_columns(rows, dataset, set(where))
    if faults:
        raise StageError(
            f"{len(faults)} faults in {path}",
            faults,
            "Correct them and run 'make manifest', or list boxes in params.yaml under boxes.left_out, with "
            "case_id, box and reason; then run 'dvc repro'.",
        )
    gone = {(one.case_id, one.box) for one in settings.left_out}
    found: dict[str, list[Box]] = {case.case_id: [] for case in cases}
    for row in rows:
        if (row.case_id, row.number) not in gone:
            found[row.case_id].append(reference.canonical(row, where[row.case_id]))
    return found, digest


def from_label_maps(
    cases: list[Case], folder: Path, labels: dict[int, str], settings: BoxesParams
) -> dict[str, list[Box]]:
    """Boxes of each case, around the connected parts of its label map.

    Raises:
        StageError: a case has none.
    """
    if without := [case.case_id for case in cases if case.label_map is None]:
        raise StageError(
            f"{len(without)} cases have no label map",
            without,
            "Set boxes.source to file in params.yaml.",
        )
    found = {}
    for case in cases:
        of = known(case.label_map)
        volume = volumes.read_canonical(folder / known(of.volume), known(of.volume_sha256))
        found[case.case_id] = reference.of_parts(volumes.array_zyx(volume), labels, settings.part_voxels_min)
    return found


def unlike_columns(rows: list[Row], dataset: Dataset, case_ids: set[str]) -> list[str]:
    """Cases of which cases.csv has another number of boxes than boxes.csv.

    Args:
        rows: of boxes.csv, those that people left out included.
    """
    of_columns = dataset.dataset.columns or {}
    targets = [name for name in columns.targets(of_columns) if of_columns[name].kind == "number"]
    counts = Counter(row.case_id for row in rows)
    return [
        f"{case.case_id}: {name} is {(case.values or {}).get(name, 0):g} in cases.csv, and "
        f"{counts[case.case_id]} boxes stand in {reference.NAME}"
        for case in dataset.cases
        for name in targets[:1]
        if case.case_id in case_ids and (case.values or {}).get(name) != counts[case.case_id]
    ]


def main(args):
    settings = BoxesParams.of(params.load(args.params, "boxes"))
    dataset = Dataset.of(records.read(args.dataset, "dataset"))
    split = records.read(args.split, "split")
    cases = [case for case in dataset.cases if case.case_id in split["cases"]]
    labels = dict(dataset.dataset.labels)
    names, folder = examples.names_of(labels), Path(args.volumes)
    digest = None
    if settings.source == "file":
        found, digest = from_file(Path(args.data), Path(args.manifest), dataset, folder, settings)
    else:
        found = from_label_maps(cases, folder, {int(v): n for v, n in labels.items() if v != "0"}, settings)
    kept = {case.case_id: tuple(found[case.case_id]) for case in cases}
    counts = Counter(box.label for boxes in kept.values() for box in boxes)
    if missing := [name for name in names if not counts[name]]:
        raise StageError(
            "labels without a box", missing, "Take them out of dataset.json, or correct the boxes."
        )
    record = Boxes(
        source=settings.source,
        file_sha256=digest,
        counts={name: counts[name] for name in names},
        empty=sum(not boxes for boxes in kept.values()),
        overlapping=sum(reference.overlapping(boxes) for boxes in kept.values()),
        left_out=settings.left_out,
        cases=kept,
    )
    with stage.output_folder(args.out) as out:
        records.write(out / "boxes.json", record.record(), "boxes")
        inputs = [args.manifest, args.dataset, args.split]
        records.write(
            out / "provenance.json",
            runs.provenance(__file__, settings.record(), args.requirements, inputs),
            "provenance",
        )
    listed = ", ".join(f"{count} {name}" for name, count in record.counts.items())
    errors.log(
        f"boxes: wrote {args.out}/ with {listed} in {len(kept)} images, {record.empty} of them without any; "
        f"{record.overlapping} pairs of one label overlap by more than {reference.TWICE:g}, "
        f"{len(record.left_out)} boxes were left out"
    )


parser = argparse.ArgumentParser(
    prog="boxes", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--data", required=True, help="folder of raw data")
parser.add_argument("--manifest", required=True, help="SHA-256 of every file in it")
parser.add_argument("--dataset", required=True, help="record of the data set")
parser.add_argument("--volumes", required=True, help="folder of canonical volumes")
parser.add_argument("--split", required=True, help="record of the split")
parser.add_argument("--out", required=True, help="folder to write")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
