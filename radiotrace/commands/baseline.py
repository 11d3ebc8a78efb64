"""baseline: says that the requirements are signed for as they stand; what goes or is softened later is
counted from here."""

from dataclasses import asdict
from pathlib import Path

from radiotrace import records
from radiotrace.commands import tables
from radiotrace.commands.of_study import Shared, from_root, with_study
from radiotrace.errors import StageError
from radiotrace.evidence.design import baseline, controls, reviews
from radiotrace.evidence.design.controls import SOFTWARE, STUDY
from radiotrace.evidence.trace import tests


def write(args) -> None:
    """Writes released_requirements.json beside the requirements of the software and beside those of the
    study, and shows what it changes.

    Sign the evidence afterwards: it is part of it.
    """
    design, known = controls.load(args.design, args.software), tests.declared(args.tests)
    required = design.requirements
    waiting = [
        row["id"]
        for row in required["requirements"]
        if reviews.status(row["id"], row, design.reviews) != "reviewed"
    ]
    if waiting:
        raise StageError(
            f"{len(waiting)} requirements are not reviewed as they stand; nobody signs for them",
            waiting,
            "Review them: 'python -m radiotrace review' lists what waits.",
        )
    before = baseline.read(design.folders[SOFTWARE], design.folders[STUDY])
    changes = baseline.since(before, required, known) if before else []
    if changes:
        rows = [tuple(asdict(change).values()) for change in changes]
        print(tables.aligned([("requirement", "what became of it", ""), *rows]))
    for folder, now in by_folder(design, known).items():
        records.write(folder / baseline.FILE, now, baseline.SCHEMA)
        path = from_root(folder / baseline.FILE, args.study)
        print(f"{path}: {len(now['requirements'])} requirements")
    print(with_study("next: dvc repro, then python -m radiotrace sign", args.study.place))


def by_folder(design: controls.Design, known_tests: dict[str, dict]) -> dict[Path, dict]:
    """The baselines of the requirements as they stand: the folder of each design controls -> the record
    'requirements_baseline' of the requirements that are its own.

    Args:
        known_tests: of tests.declared().
    """
    records_by_folder = {}
    for whose, folder in design.folders.items():
        own = [row for row in design.requirements["requirements"] if design.owner(row["id"]) == whose]
        records_by_folder[folder] = baseline.record({"requirements": own}, known_tests)
    return records_by_folder


def options(parser) -> None:
    """The command's arguments."""
    parser.add_argument("--design", default="design", help="design controls of the study; default: design")
    parser.add_argument(
        "--software", default=Shared("software"), help="folder of the software; default: software"
    )
    parser.add_argument("--tests", default=Shared("tests"), help="folder of the tests; default: tests")
