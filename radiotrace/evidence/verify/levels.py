"""Verifying a bundle: what can be known of it without trusting those who made it, level by level.

Needs neither torch nor images.

level 1  it is whole: every file is listed, has its hash, is canonical and fits its schema; references lead
        where they say
level 3  it follows from this clone: made again from records, design, code and tests it has the same bytes;
        ledgers only grew

Level 2, the signatures, is radiotrace/evidence/signing/signatures.py; the ledgers are history.py. Levels 4 to
6 need images and torch: radiotrace/commands/verify.py.

What is looked at may be made to mislead. It is read, never run and never written to: level 3 runs the stage
of the verifier (isolated.py), which is the clone's own only where the reader verifies a clone with itself.
Only level 6 runs what the clone has, and not before it was found to be the verifier's.
"""

import json
import subprocess
import tempfile
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path, PurePosixPath

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.evidence.design import compliance
from radiotrace.evidence.signing import dsse, oms, statements
from radiotrace.evidence.signing.statements import MANIFEST
from radiotrace.pipeline import dvcfile, isolated, params
from radiotrace.pipeline.study import STUDIES, Study
from radiotrace.records import jcs, measure_table

INDEX = "index.json"
METRICS, CASES, HEADLINE = "metrics.json", "cases.json", "headline.json"
GATES = "metrics/gates.json"
STAGE = ["python", "-m", "stages.evidence"]


@dataclass
class Check:
    """One thing that was looked at.

    Attributes:
        faults: what is wrong, each with its place; [] where it holds.
        skipped: why some of it could not be looked at; [] where all was.
        looked: False where nothing could.
        warned: what a reader should know, a line each; it makes no check fail.
        believed: what was taken as it stands and not made again, a line each; the last lines of the command
            name them.
    """

    level: int
    what: str
    faults: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    looked: bool = True
    believed: list[str] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Clone:
    """What is verified: the folder of a study in a clone and the folders in it. Nothing of it is imported.

    Attributes:
        root: the study's folder, which is the clone's for the first study.
        place: of the study in the clone.
    """

    root: Path
    evidence: Path
    signatures: Path
    keys: Path
    place: str = "."

    @property
    def study(self) -> Study:
        """The study, of this clone."""
        above = len(self.place.split("/")) if self.place != "." else 0
        return Study(Path(self.root, *[".."] * above), self.place)


def whole(evidence) -> list[Check]:
    """Level 1, from the folder alone."""
    evidence = Path(evidence)
    files, listing_faults = oms.listing(evidence)
    closed = Check(
        1,
        f"every file of {evidence.name}/ is listed and has its SHA-256",
        listing_faults + statements.misfits(evidence, files),
    )
    if MANIFEST not in files:
        return [closed]
    read, unread = _read(evidence, files)
    checks = [closed, Check(1, "every record is canonical JSON (RFC 8785)", unread)]
    claims = (
        "every record fits its schema",
        "every record is of one run",
        "every reference leads where it says",
    )
    broken = [f"{MANIFEST} cannot be read"]
    if MANIFEST in read:
        broken = records.faults(read[MANIFEST], "manifest")
    if broken:
        reason = f"{MANIFEST} is broken: {broken[0]}"
        return checks + [Check(1, claim, skipped=[reason], looked=False) for claim in claims]
    schema_of = {
        entry["path"].removeprefix(f"{evidence.name}/"): entry["schema"]
        for entry in read[MANIFEST]["files"]
        if entry["in_bundle"]
    }
    misleading = _references(read, files) + _indexed(read, files, schema_of)
    faults_by_claim = zip(claims, (_unfit(read, schema_of), _runs(read), misleading), strict=True)
    return checks + [Check(1, claim, faults) for claim, faults in faults_by_claim]


def _read(evidence: Path, files: dict[str, str]) -> tuple[dict, list[str]]:
    """The JSON files that can be read, and which of them are not in their canonical bytes."""
    read, faults = {}, []
    for name in (name for name in files if name.endswith(".json")):
        record, fault = _record((evidence / name).read_bytes())
        if fault is None or record is not None:
            read[name] = record
        faults += [] if fault is None else [f"{name}: {fault}"]
    return read, faults


def _record(content: bytes) -> tuple:
    """What a file says, None where it cannot be read; and what is wrong with its bytes, None where nothing
    is."""
    try:
        record = dsse.parse(content)
        return record, None if jcs.dumps(record) == content else "other bytes than its content has"
    except ValueError as error:
        return None, str(error)


def _unfit(read: dict, schema_of: dict[str, str | None]) -> list[str]:
    known = {path.name.removesuffix(".schema.json") for path in records.SCHEMAS.glob("*.schema.json")}
    faults = [
        f"{name}: its schema {schema} is not known"
        for name, schema in schema_of.items()
        if schema and schema not in known
    ]
    broken = [
        f"{name}: {fault}"
        for name, schema in {**schema_of, MANIFEST: "manifest"}.items()
        if schema in known and name in read
        for fault in records.faults(read[name], schema)
    ]
    return faults + broken + ([] if faults or broken else _other_measures(read, schema_of))


def _other_measures(read: dict, schema_of: dict[str, str | None]) -> list[str]:
    """Where cases and headline have other measures than the table of the metrics; of records that fit their
    schemas."""
    if METRICS not in read:
        return []  # which the list of files says
    faults = []
    if CASES in read:
        rows, schema = read[CASES]["cases"], schema_of.get(CASES) or "cases"
        faults += measure_table.misfits_of_cases(read[METRICS], rows, schema)
    if HEADLINE in read:
        schema = schema_of.get(HEADLINE) or "headline"
        faults += measure_table.misfits_of_headline(read[METRICS], read[HEADLINE], schema)
    return faults


def _runs(read: dict) -> list[str]:
    run_id = read[MANIFEST]["run_id"]
    return [
        f"{name}: of run {record['run_id']}, expected {run_id}"
        for name, record in read.items()
        if isinstance(record, dict) and record.get("run_id", run_id) != run_id
    ]


def _references(read: dict, files: dict[str, str]) -> list[str]:
    """Every {file, pointer, …} of our own records: the file has the hash that is named, and the value
    stands where it says; or the record says itself that it does not, as a checklist does of a gap."""
    faults = []
    for name, record in read.items():
        for place, reference in _pointing(record, ""):
            file = reference["file"].removeprefix("evidence/")
            if fault := _misleads(reference, file, read, files):
                faults.append(f"{name}#{place}: {file}#{reference['pointer']}: {fault}")
    return faults


def _misleads(reference: dict, file: str, read: dict, files: dict[str, str]) -> str | None:
    """Why a reference does not lead where it says; None where it does, or says itself that it does not."""
    is_gap = reference.get("held") is False
    if file not in read:
        return None if is_gap else "no such file"
    if reference.get("sha256", files[file]) != files[file]:
        return f"of another version of {file}"
    try:
        value = compliance.resolve(read[file], reference["pointer"])
    except (LookupError, ValueError):
        return None if is_gap else "nothing there"
    # as text: true is not 1
    found = json.dumps(value)
    stated = json.dumps(reference.get("value"))
    if "value" in reference and found != stated:
        return f"found {found[:60]}, the reference says {stated[:60]}"
    return None


def _indexed(read: dict, files: dict[str, str], schema_of: dict[str, str | None]) -> list[str]:
    """Where the index names another hash or schema than the file has, or leaves a file out.

    Its pointers are references like any other.
    """
    if INDEX not in read or records.faults(read[INDEX], "index"):
        return []  # missing or of no use, which other checks say
    index = read[INDEX]
    faults = [
        f"{INDEX}: {name}: missing"
        for name in files.keys() - index["files"].keys() - {INDEX, *index["later"]}
    ]
    for name, entry in index["files"].items():
        if (entry["sha256"], entry["schema"]) != (files.get(name), schema_of.get(name)):
            faults.append(f"{INDEX}: {name}: of another version, or of another schema than {MANIFEST} says")
    return sorted(faults)


def _pointing(record, place: str):
    if isinstance(record, dict):
        if isinstance(record.get("file"), str) and isinstance(record.get("pointer"), str):
            yield place, record
        for key, value in record.items():
            yield from _pointing(value, f"{place}/{key}")
    elif isinstance(record, list):
        for number, value in enumerate(record):
            yield from _pointing(value, f"{place}/{number}")


def leads_out(path: str, up: str = "") -> bool:
    """Whether a path leads out of a clone.

    Args:
        path: as a study sees it.
        up: what leads from the study to the clone's folder.
    """
    inside = PurePosixPath(path.removeprefix(up) if up else path)
    return ".." in inside.parts or inside.is_absolute()


def _strays(name: str) -> str | None:
    """Why a bundle may not vouch for what its records name so; None where it may."""
    if leads_out(name):
        return "leads out of the clone"
    return "is of another study, which proves itself" if name.startswith(f"{STUDIES}/") else None


def vouched(evidence, study: Study) -> Check:
    """Level 3: every file outside the bundle that it vouches for is there and has its SHA-256.

    What DVC keeps may not have been pulled.
    """
    check = Check(3, "every file that it vouches for has its SHA-256")
    try:
        manifest = records.read(Path(evidence) / MANIFEST, "manifest")
    except StageError as error:
        return Check(3, check.what, [f"{MANIFEST}: {str(error).splitlines()[0]}"])
    absent = []
    for entry in manifest["files"]:
        if entry["in_bundle"]:
            continue
        if fault := _strays(entry["path"]):
            check.faults.append(f"{entry['path']}: {fault}")
            continue
        path = study.located(entry["path"])
        if not path.is_file():
            may_be_absent = entry["path"].startswith(("build/", "members/"))
            (absent if may_be_absent else check.faults).append(f"{entry['path']}: missing")
            continue
        digest = records.sha256(path)
        if digest != entry["sha256"]:
            check.faults.append(
                f"{entry['path']}: SHA-256 found {digest[:12]}…, expected {entry['sha256'][:12]}…"
            )
    if absent:
        check.skipped.append(
            f"{len(absent)} files that are not there, such as {absent[0].split(':')[0]}: run 'make pull'"
        )
    return check


def started(root: Path, words: list[str], code: Path = isolated.ROOT) -> tuple[int, str]:
    """Exit status and stderr of the stage in a process of its own, which leaves no compiled code in the
    clone.

    Args:
        root: where the stage starts, in the clone; nothing is imported from there.
        words: of the stage's command, without 'python': -m, the module, its options.
        code: root of the repository whose stage runs: that of the verifier.
    """
    done = subprocess.run(
        isolated.command(*words[1:], root=code),
        cwd=root,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        env=isolated.environment(),
    )
    return done.returncode, done.stderr


def derived(evidence, study: Study, run=started) -> Check:
    """Level 3: the stage evidence of this clone, run again into a temporary folder, gives the same bytes.

    Verdicts, thresholds, traces, hashes of code and of tests, bills and checklists are so made from their
    sources, and not believed.

    Args:
        run: how the stage is run.
    """
    evidence, root = Path(evidence), study.folder
    check = Check(3, "made again from this clone it has the same bytes")
    start, words = _command(root / "dvc.yaml")
    if fault := misled(start, words, study):
        return Check(3, check.what, [f"dvc.yaml: the stage evidence {fault}"])
    if words[:3] != STAGE:
        return Check(
            3,
            check.what,
            [f"dvc.yaml: the stage evidence is '{' '.join(words[:3])} …', expected '{' '.join(STAGE)} …'"],
        )
    before = {}
    if evidence.is_dir():
        before = {path.name: path.read_bytes() for path in evidence.iterdir() if path.is_file()}
    with tempfile.TemporaryDirectory() as folder:
        again, gates = Path(folder) / evidence.name, Path(folder) / "gates.json"
        # behind all others: the last one counts
        status, stderr = run(root / start, [*words[1:], "--out", str(again), "--gates", str(gates)])
        if status and (root / "build").exists():
            return Check(3, check.what, [f"the stage evidence stops: {_last_words(stderr)}"])
        if status:
            return Check(3, check.what, skipped=["there is no build/: run 'make pull'"], looked=False)
        after = {path.name: path.read_bytes() for path in again.iterdir()}
        if not (root / GATES).is_file() or (root / GATES).read_bytes() != gates.read_bytes():
            check.faults.append(f"{GATES}: other bytes")
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            check.faults.append(f"{name}: this clone does not make such a file")
        elif name not in before:
            check.faults.append(f"{name}: missing")
        elif before[name] != after[name]:
            check.faults.append(f"{name}: {_difference(before[name], after[name])}")
    return check


def misled(start: str, words: list[str], study: Study) -> str | None:
    """Why the command of a stage would work in another folder than that of its study; None where it would
    not. What it read there would be taken for the study's.

    Args:
        start: the folder in which it starts, as the study sees it.
        words: of the command.
    """
    expected = study.up.rstrip("/") or "."
    places = []
    for word, following in pairwise([*words, ""]):
        option, is_joined, value = word.partition("=")
        if option.startswith("--s") and "--study".startswith(option):  # which argparse would complete
            places.append(value if is_joined else following)
    if start != expected:
        return f"starts in {start}, expected {expected}"
    if places != ([study.place] if study.up else []):
        return f"is of the study {' and '.join(places) or '.'}, expected {study.place}"
    return None


def _command(workflow: Path) -> tuple[str, list[str]]:
    """Where the stage evidence starts, and its command's words; none where the file has no such stage."""
    try:
        return dvcfile.command(params.load_yaml(workflow)["stages"]["evidence"])
    except (LookupError, TypeError, AttributeError, ValueError):
        return ".", []


def _last_words(stderr: str) -> str:
    """What a stage said last: its message; of a traceback the last line, which is the error."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    last = max(
        (number for number, line in enumerate(lines) if line.startswith("evidence:")), default=len(lines) - 1
    )
    if any(line.startswith("Traceback") for line in lines):
        last = len(lines) - 1
    return "; ".join(lines[max(last, 0) :][:12]) or "without a word"


def _difference(found: bytes, expected: bytes) -> str:
    """The first place at which two JSON files differ."""
    try:
        return _first(dsse.parse(found), dsse.parse(expected), "") or "other bytes"
    except dsse.Refused:
        return "other bytes"


def _first(found, expected, place: str) -> str | None:
    """The first place at which two JSON values differ, and both values; None where they are equal."""
    if isinstance(found, dict) and isinstance(expected, dict) and found.keys() == expected.keys():
        differences = (_first(found[key], expected[key], f"{place}/{key}") for key in found)
        return next(filter(None, differences), None)
    if isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        pairs = enumerate(zip(found, expected, strict=True))
        differences = (_first(*pair, f"{place}/{number}") for number, pair in pairs)
        return next(filter(None, differences), None)
    if found == expected:
        return None
    return f"at {place or '/'} found {json.dumps(found)[:80]}, expected {json.dumps(expected)[:80]}"


def release(evidence) -> Check:
    """Level 3: nothing blocks the release.

    A bundle may be true and say that a release is blocked; that is then what is found.
    """
    claim = "nothing blocks the release"
    try:
        traced = records.read(Path(evidence) / "traceability.json", "traceability")
    except StageError as error:
        return Check(3, claim, [str(error).splitlines()[0]])
    named = {row["item"] for row in traced["gaps"]}
    reasons = [*traced["stale"], *(f"{row['item']}: {row['gap']}" for row in traced["gaps"])]
    for name, row in (*traced["user_needs"].items(), *traced["requirements"].items()):
        if row["status"] != "verified" and name not in named:
            why = "; ".join(row.get("reasons", ())) or "no reason is given"
            reasons.append(f"{name} is not verified: {why}")
    if traced["release_blocked"] and not reasons:
        reasons.append("the release is blocked, and no reason is given")
    return Check(3, claim, reasons)
