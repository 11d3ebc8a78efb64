"""trace: everything that hangs together with a requirement, a risk, a test, a clause, a file, a hash, a case
or a subject."""

import difflib
import json
from pathlib import Path

from radiotrace import records
from radiotrace.commands import tables
from radiotrace.commands.of_study import with_study
from radiotrace.errors import StageError
from radiotrace.evidence.trace import hashes, lineage, links
from radiotrace.pipeline import dvcfile, params
from radiotrace.pipeline.study import Study, named
from radiotrace.records import raw_files

CLOSE = 5  # names that are offered for one that is unknown


def trace(args) -> None:
    """Prints what an id, a file, a case or a subject is linked to, upward and downward, with states and
    reasons."""
    study = Study(Path(args.project)) if args.project else args.study
    bundle, workflow = read(study.folder / args.evidence), as_records_name(dvcfile.load(study.folder))
    sections = [
        f"{title}\n{indented(in_root(rows, study.place))}"
        for title, rows in answer(bundle, workflow, study, args.thing)
        if rows
    ]
    print("\n\n".join(sections))


def as_records_name(workflow: dict) -> dict:
    """A dvc.yaml whose deps are named as records name them, from any study."""
    stages = {}
    for name, stage in workflow["stages"].items():
        stages[name] = stage | {"deps": [named(path) for path in stage.get("deps", [])]}
    return workflow | {"stages": stages}


def in_root(rows: list[tuple[str, ...]], place: str) -> list[tuple[str, ...]]:
    """Rows whose commands are typed in the root of the repository."""
    return [_row_in_root(row, place) for row in rows]


def _row_in_root(row: tuple[str, ...], place: str) -> tuple[str, ...]:
    return tuple(with_study(cell, place) for cell in row)


def read(folder: Path) -> dict[str, dict]:
    """The JSON files of a bundle, by name.

    Raises:
        StageError: there is no bundle, or a file is no JSON.
    """
    if not (folder / "manifest.json").is_file():
        raise StageError(
            f"{folder}/manifest.json is missing", way_out="Run 'dvc repro', or 'git checkout' the evidence."
        )
    records_by_name, broken = {}, []
    for path in sorted(folder.glob("*.json")):
        try:
            records_by_name[path.name] = json.loads(path.read_text("utf-8"))
        except ValueError as error:
            broken.append(f"{path.name}: {error}")
    if broken:
        raise StageError(
            f"files of {folder}/ are no JSON", broken, "Restore them with 'git checkout', or run 'dvc repro'."
        )
    return records_by_name


def answer(bundle: dict[str, dict], workflow: dict, study: Study, name: str) -> list:
    """The tables of what an id, a file, a case or a subject is linked to.

    Args:
        name: of it.

    Raises:
        StageError: nothing of that name is known; offers close ones.
    """
    known = links.answers(bundle)
    if name in known:
        return known[name](bundle, name)
    if cases := lineage.cases_of(bundle, name):
        paths = [source["path"] for case in cases for source in raw_files.sources(case)]
        now = {path: sha256_of(study.folder / lineage.DATA / path) for path in paths}
        return lineage.of_cases(bundle, workflow, cases, now)
    files = lineage.known_files(bundle)
    for path in (relative(name, study), f"{lineage.DATA}/{name}"):
        if path in files:
            return lineage.of_file(bundle, workflow, path, sha256_of(study.located(path)))
    if found := of_hash(bundle, workflow, study, name):
        return found
    of_cases = {case[key] for case in bundle["dataset.json"]["cases"] for key in ("case_id", "subject_id")}
    names = [*known, *files, *of_cases]
    raise StageError(
        f"{name}: nothing of this name is in the evidence",
        close(name, names),
        "Give an id, a test, a clause, the path of a file, a case, a subject, or 8 or more digits of a hash.",
    )


def of_hash(bundle: dict[str, dict], workflow: dict, study: Study, name: str) -> list:
    """The tables of a hash, or of a file that lies elsewhere, by its own: where the hash stands, and what is
    known of the one file that has it; [] where it stands nowhere.

    Args:
        name: the hash, its first 8 digits or more, or the path of a file.
    """
    beginning = hashes.digits(name) or sha256_of(Path(name))
    if beginning is None:
        return []
    lock = study.path("lock")
    places = hashes.places(
        bundle | ({"dvc.lock": params.load_yaml(lock)} if lock.is_file() else {}), beginning
    )
    files = [
        path
        for path, digests in lineage.known_files(bundle).items()
        if not places.keys().isdisjoint(digests.values())
    ]
    if len(files) != 1:
        return hashes.tables(places)
    now = sha256_of(study.located(files[0]))
    return [*hashes.tables(places), *lineage.of_file(bundle, workflow, files[0], now)]


def close(unknown: str, names: list[str]) -> list[str]:
    """Names that resemble an unknown one, the closest first; letters may be small, and a path may miss its
    folders."""
    lower = {name.lower(): name for name in sorted(names)}
    resembling = [
        name
        for name in sorted(names)
        if unknown.lower()
        in (name.lower(), name.rpartition("/")[2].lower(), name.rpartition("::")[2].lower())
    ]
    resembling += [
        lower[name] for name in difflib.get_close_matches(unknown.lower(), lower, n=CLOSE, cutoff=0.6)
    ]
    return list(dict.fromkeys(resembling))[:CLOSE]


def relative(name: str, study: Study) -> str:
    """A path as the evidence names it, with slashes.

    Args:
        name: from the study, as ../../radiotrace/errors.py and params.yaml; from the root of the repository,
            as studies/NAME/params.yaml; or absolute.
    """
    path = Path(name)
    if path.is_absolute() and path.resolve().is_relative_to(study.repository.resolve()):
        path = path.resolve().relative_to(study.repository.resolve())
    if path.is_relative_to(study.place):
        path = path.relative_to(study.place)
    return named(path.as_posix())


def sha256_of(path: Path) -> str | None:
    """SHA-256 of a file; None where there is none."""
    return records.sha256(path) if path.is_file() else None


def indented(rows: list[tuple[str, ...]]) -> str:
    """Rows in columns, two spaces in; the last column is as long as it is."""
    return "\n".join(f"  {line}" for line in tables.aligned(rows).split("\n"))


def options(parser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "thing",
        metavar="ID|FILE|HASH|CASE|SUBJECT",
        help="such as SRS-SEG-1, UN-1, RC-15, "
        "HAZ-1, NC-SEG-1, ANO-1, "
        "iec62304@2006+A1-2015:5.2.2, tests/test_split.py::test_twins_are_in_one_part, "
        "radiotrace/pipeline/stage.py, a case, a subject, 8 or more digits of a SHA-256 or MD5, a file "
        "that lies elsewhere",
    )
    parser.add_argument("--evidence", default="evidence", help="folder of the bundle; default: evidence")
    parser.add_argument(
        "--project", help="folder of a repository, of which it takes the first study; default: this one"
    )
