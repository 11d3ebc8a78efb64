"""baseline: says that the requirements are signed for as they stand; what goes or is softened later is
counted from here."""

from dataclasses import asdict

from radiotrace import records
from radiotrace.commands import tables
from radiotrace.errors import StageError
from radiotrace.evidence.design import baseline, controls, reviews
from radiotrace.evidence.design.controls import SOFTWARE, STUDY
from radiotrace.evidence.trace import tests


def write(args) -> None:
    """Writes released_requirements.json beside the requirements of the software and beside those of the
    study, and shows what it changes.

    Sign the evidence afterwards: it is part of it.
    """
    found, known = controls.load(args.design, args.software), tests.declared(args.tests)
    required = found.requirements
    waiting = [
        row["id"]
        for row in required["requirements"]
        if reviews.status(row["id"], row, found.reviews) != "reviewed"
    ]
    if waiting:
        raise StageError(
            f"{len(waiting)} requirements are not reviewed as they stand; nobody signs for them",
            waiting,
            "Review them: 'python -m radiotrace review' lists what waits.",
        )
    before = baseline.read(found.folders[SOFTWARE], found.folders[STUDY])
    changes = baseline.since(before, required, known) if before else []
    if changes:
        print(
            tables.aligned(
                [
                    ("requirement", "what became of it", ""),
                    *(tuple(asdict(change).values()) for change in changes),
                ]
            )
        )
    for whose, folder in found.folders.items():
        own = [row for row in required["requirements"] if found.owner(row["id"]) == whose]
        now = baseline.record({"requirements": own}, known)
        records.write(folder / baseline.FILE, now, baseline.SCHEMA)
        print(f"{folder / baseline.FILE}: {len(own)} requirements")
    print("next: dvc repro, then python -m radiotrace sign")


def options(parser) -> None:
    """The command's arguments."""
    parser.add_argument("--design", default="design", help="design controls of the study; default: design")
    parser.add_argument("--software", default="software", help="folder of the software; default: software")
    parser.add_argument("--tests", default="tests", help="folder of the tests; default: tests")
