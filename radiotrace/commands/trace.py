"""trace: everything that hangs together with a requirement, a risk, a test, a clause, a file, a case or a
subject."""

import difflib
import json
from pathlib import Path

from radiotrace import records
from radiotrace.commands import tables
from radiotrace.errors import StageError
from radiotrace.evidence.trace import lineage, links
from radiotrace.pipeline import dvcfile

CLOSE = 5  # names that are offered for one that is unknown


def trace(args) -> None:
    """Prints what an id, a file, a case or a subject is linked to, upward and downward, with states and
    reasons."""
    root = Path(args.project)
    bundle, workflow = read(root / args.evidence), dvcfile.load(root)
    print(
        "\n\n".join(
            f"{title}\n{indented(rows)}" for title, rows in answer(bundle, workflow, root, args.thing) if rows
        )
    )


def read(folder: Path) -> dict[str, dict]:
    """The JSON files of a bundle, by name.

    Raises:
        StageError: there is no bundle, or a file is no JSON.
    """
    if not (folder / "manifest.json").is_file():
        raise StageError(
            f"{folder}/manifest.json is missing", way_out="Run 'dvc repro', or 'git checkout' the evidence."
        )
    found, broken = {}, []
    for path in sorted(folder.glob("*.json")):
        try:
            found[path.name] = json.loads(path.read_text("utf-8"))
        except ValueError as error:
            broken.append(f"{path.name}: {error}")
    if broken:
        raise StageError(
            f"files of {folder}/ are no JSON", broken, "Restore them with 'git checkout', or run 'dvc repro'."
        )
    return found


def answer(bundle: dict[str, dict], workflow: dict, root: Path, thing: str) -> list:
    """The tables of what a thing is linked to.

    Raises:
        StageError: nothing of that name is known; offers close ones.
    """
    known = links.things(bundle)
    if thing in known:
        return known[thing](bundle, thing)
    if cases := lineage.cases_of(bundle, thing):
        now = {
            case[kind]["path"]: hashed(root / lineage.DATA / case[kind]["path"])
            for case in cases
            for kind in ("image", "label_map")
        }
        return lineage.of_cases(bundle, workflow, cases, now)
    files = lineage.known_files(bundle)
    for path in (relative(thing, root), f"{lineage.DATA}/{thing}"):
        if path in files:
            return lineage.of_file(bundle, workflow, path, hashed(root / path))
    names = [
        *known,
        *files,
        *{name for case in bundle["dataset.json"]["cases"] for name in (case["case_id"], case["subject_id"])},
    ]
    raise StageError(
        f"{thing}: nothing of this name is in the evidence",
        close(thing, names),
        "Give an id, a test, a clause, the path of a file, a case or a subject.",
    )


def close(thing: str, names: list[str]) -> list[str]:
    """Names that resemble one, the closest first; letters may be small, and a path may miss its folders."""
    lower = {name.lower(): name for name in sorted(names)}
    found = [
        name
        for name in sorted(names)
        if thing.lower() in (name.lower(), name.rpartition("/")[2].lower(), name.rpartition("::")[2].lower())
    ]
    found += [lower[name] for name in difflib.get_close_matches(thing.lower(), lower, n=CLOSE, cutoff=0.6)]
    return list(dict.fromkeys(found))[:CLOSE]


def relative(thing: str, root: Path) -> str:
    """A path as the evidence names it: from the project's folder, with slashes."""
    path = Path(thing)
    if path.is_absolute() and path.resolve().is_relative_to(root.resolve()):
        path = path.resolve().relative_to(root.resolve())
    return path.as_posix()


def hashed(path: Path) -> str | None:
    """SHA-256 of a file; None where there is none."""
    return records.sha256(path) if path.is_file() else None


def indented(rows: list[tuple[str, ...]]) -> str:
    """Rows in columns, two spaces in; the last column is as long as it is."""
    return "\n".join(f"  {line}" for line in tables.aligned(rows).split("\n"))


def options(parser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "thing",
        metavar="ID|FILE|CASE|SUBJECT",
        help="such as SRS-SEG-1, UN-1, RC-15, "
        "HAZ-1, NC-SEG-1, ANO-1, "
        "iec62304@2006+A1-2015:5.2.2, tests/test_split.py::test_twins_are_in_one_part, "
        "radiotrace/pipeline/stage.py, a case, a subject",
    )
    parser.add_argument("--evidence", default="evidence", help="folder of the bundle; default: evidence")
    parser.add_argument("--project", default=".", help="folder of the project; default: .")
