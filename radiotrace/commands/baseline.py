"""baseline: says that the requirements are signed for as they stand; what goes or is softened later is
counted from here."""

from dataclasses import asdict
from pathlib import Path

from radiotrace import records
from radiotrace.commands import tables
from radiotrace.errors import StageError
from radiotrace.evidence.design import baseline, controls, reviews
from radiotrace.evidence.trace import tests


def write(args) -> None:
    """Writes design/released_requirements.json, and shows what it changes.

    Sign the evidence afterwards: it is part of it.
    """
    found = controls.load(args.design)
    waiting = [
        row["id"]
        for row in found["requirements"]["requirements"]
        if reviews.status(row["id"], row, found["reviews"]) != "reviewed"
    ]
    if waiting:
        raise StageError(
            f"{len(waiting)} requirements are not reviewed as they stand; nobody signs for them",
            waiting,
            "Review them: 'python -m radiotrace review' lists what waits.",
        )
    before, known = baseline.read(args.design), tests.declared(args.tests)
    now = baseline.record(found["requirements"], known)
    changes = baseline.since(before, found["requirements"], known) if before else []
    records.write(Path(args.design) / baseline.FILE, now, baseline.SCHEMA)
    if changes:
        print(
            tables.aligned(
                [
                    ("requirement", "what became of it", ""),
                    *(tuple(asdict(change).values()) for change in changes),
                ]
            )
        )
    print(
        f"{args.design}/{baseline.FILE}: {len(now['requirements'])} requirements; next: dvc repro, then "
        f"python -m radiotrace sign"
    )


def options(parser) -> None:
    """The command's arguments."""
    parser.add_argument("--design", default="design", help="folder of design controls; default: design")
    parser.add_argument("--tests", default="tests", help="folder of the tests; default: tests")
