"""ingest: brings in a table, in which each row is a case.

Reads   data/dataset.json, data/cases.csv, data.sha256
Writes  build/ingest/: dataset.json, provenance.json
Params  ingest.missing_words, ingest.bands
Stops   when data/ differs from its manifest, also while it is read, or both files contradict each other; when
        a feature is known only after the prediction is made
In the place of stages/ingest.py, with the same record: the file of each case is the table, `fault` says that
there is no image, and `voxels_sha256` is the SHA-256 of the row.
"""

import argparse
import sys

from radiotrace import errors, records
from radiotrace.errors import StageError
from radiotrace.imaging import formats, identity
from radiotrace.pipeline import params, runs, stage
from radiotrace.records import merkle
from radiotrace.records.dataset import CanonicalGrid, Case, Dataset, Identity, ImageFile
from radiotrace.records.sections.ingest import IngestParams
from radiotrace.tabular import reading, table

NO_IMAGE = "a row of a table has no image"


def entry(case: formats.Case, table_sha256: str) -> Case:
    """The entry of a case in the record 'dataset'."""
    row = ImageFile(
        path=reading.TABLE,
        sha256=table_sha256,
        fault=NO_IMAGE,
        grid=None,
        pixel_type=None,
        volume=None,
        volume_sha256=None,
        voxels_sha256=reading.row_sha256(case.values),
        non_finite_voxels=None,
        identifying_text=(),
        intensity=None,
    )
    return Case(case.case_id, case.subject_id, case.attributes, row, values=case.values)


def main(args):
    settings = IngestParams.of(params.load(args.params, "ingest"))
    identity.check_manifest(args.data, args.manifest)
    found = reading.read_dataset(args.data, settings.missing_words, settings.bands)
    if broken := table.faults(found.columns):
        raise StageError("these columns are nothing that a risk is learnt from", broken, reading.WAY_OUT)
    for note in found.notes:
        errors.log(f"ingest: {note}")
    identity.check_read(args.data, args.manifest, found.tables_sha256)
    table_sha256 = found.tables_sha256[reading.TABLE]
    cases = tuple(entry(case, table_sha256) for case in found.cases)
    with stage.output_folder(args.out) as out:
        described = Dataset(
            Identity(
                **found.identity,
                labels=found.labels,
                cases=len(cases),
                subjects=len({case.subject_id for case in cases}),
                root_sha256=merkle.root({reading.TABLE: table_sha256}),
                columns=found.columns,
            ),
            CanonicalGrid(settings.orientation, settings.spacing_mm),
            cases,
        )
        records.write(out / "dataset.json", described.record(), "dataset")
        records.write(
            out / "provenance.json",
            runs.provenance(__file__, settings.record(), args.requirements, [args.manifest]),
            "provenance",
        )
    errors.log(f"ingest: wrote {args.out}/ with {len(cases)} rows")


parser = argparse.ArgumentParser(
    prog="ingest", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--data", required=True, help="folder of raw data")
parser.add_argument("--manifest", required=True, help="SHA-256 of every file in it")
parser.add_argument("--out", required=True, help="folder to write")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
