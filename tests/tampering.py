"""Tampering: a release that is signed, what an attacker does to it, and the levels of verify that find it.

An attack is tried in up to three ways:
  plain      the change and nothing else
  re-sealed  the attacker also makes canonical bytes, manifest, index, references and SHA256SUMS fit the change
  remade     of a source of the evidence: the attacker also runs the stage evidence again, and lets DVC lock it all
"""
import contextlib
import copy
import hashlib
import io
import json
import shutil
from pathlib import Path
from typing import NamedTuple

from radiotrace import params, records, stage
from radiotrace.evidence import beside, canonical, compliance, design, history, keys, negative_controls, signing, tests, verify
from stages import evidence as stage_evidence
from tests import bundles, projects

KEPT = (".git", ".dvc", "datastore")  # no attack changes them
BUNDLE = "evidence"


class Release(NamedTuple):
    """A signed project: its folder, the signer's public key as the reader got it, and what verify found before anyone touched it."""

    folder: Path
    given: dict
    state: dict


def release(reproduced: Path, folder: Path) -> Release:
    """A release of a project in which all stages ran: with a record of tests, one of which failed, and of negative controls; committed and signed."""
    shutil.copytree(reproduced, folder)
    _recorded(folder)
    projects.run(folder, "dvc", "repro", "-s", "evidence")
    projects.commit(folder, "release")
    key = folder.parent / "key.pem"
    bundles.private_key(key)
    projects.run(folder, "python", "-m", "radiotrace", "sign", "--test-key", RADIOTRACE_SIGNING_KEY=str(key))
    return Release(folder, keys.known(folder / "keys", [key.with_suffix(".pub")]), state(folder))


def _recorded(folder: Path) -> None:
    """Writes what came of tests and negative controls: all passed and were red, but for the first."""
    known = tests.declared(folder / "tests")
    outcomes = {test: {"cases": 1, "passed": 1, "failed": 0, "skipped": 0} for test in known}
    outcomes[sorted(known)[0]] |= {"passed": 0, "failed": 1}
    tested = tests.record(folder, outcomes, True)
    controls, run_id = design.load(folder / "design"), json.loads((folder / "metrics/metrics.json").read_text())["run_id"]
    seen = {}
    for name, control in controls["negative_controls"].items():
        users = negative_controls.users(name, controls["requirements"])
        seen[name] = {"control_sha256": records.digest(control),
                      "seen_sha256": negative_controls.seen_sha256(control, controls["requirements"], tested["files"], known, run_id),
                      "requirements": {one["id"]: {"verdict": "red" if seen else "green", "red": ["a test"] if seen else []} for one in users}}
    records.write(folder / "verification/tests.json", tested, "tests")
    records.write(folder / "verification/negative_controls.json", {"controls": seen}, "negative_control_outcomes")


def state(folder: Path) -> dict:
    """What every file holds that an attack may change: path -> bytes, or where a link leads."""
    tops = (path for path in folder.iterdir() if path.name not in KEPT)
    found = (path for top in tops for path in ([top] if not top.is_dir() else top.rglob("*")))
    return {path.relative_to(folder).as_posix(): str(path.readlink()) if path.is_symlink() else path.read_bytes()
            for path in found if path.is_symlink() or path.is_file()}


def restore(folder: Path, before: dict) -> None:
    """Undoes an attack."""
    now = state(folder)
    for name in now.keys() - before.keys():
        (folder / name).unlink()
    for name in before.keys() - now.keys() | {name for name in now.keys() & before.keys() if now[name] != before[name]}:
        (folder / name).unlink(missing_ok=True)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(before[name])
    for path in sorted((folder / BUNDLE).rglob("*"), reverse=True):
        if path.is_dir():
            path.rmdir()


# The attacker's tools

def edit(path: str, pointer: str, value) -> callable:
    """Sets a value of a JSON file; a function gets the old one. None in place of a value takes the entry away."""
    def act(folder):
        record = json.loads((folder / path).read_bytes())
        *way, last = pointer.split("/")[1:]
        place = record
        for key in way:
            place = place[_key(place, key)]
        last = _key(place, last)
        if value is None:
            place.pop(last)
        else:
            place[last] = value(place[last]) if callable(value) else value
        write(folder / path, record)
    return act


def _key(place, key: str):
    """'*' is the first entry, of a list or of a dict in its order."""
    if isinstance(place, list):
        return 0 if key == "*" else int(key)
    return next(iter(place)) if key == "*" else key.replace("~1", "/")


def write(path: Path, record) -> None:
    """A record in the bytes that its kind has."""
    path.write_bytes(canonical.dumps(record) if path.parent.name == BUNDLE else records.dumps(record).encode())


def replaced(path: str, old: str, new: str, count: int = 1) -> callable:
    """Replaces a text, which must be there."""
    def act(folder):
        text = (folder / path).read_text("utf-8")
        if old not in text:
            raise AssertionError(f"{path} lacks {old!r}, so the attack would change nothing")
        (folder / path).write_text(text.replace(old, new, count), "utf-8")
    return act


def flipped(path: str) -> callable:
    """Flips a bit in the middle of the first file that a pattern fits."""
    def act(folder):
        file = sorted(folder.glob(path))[0]
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    return act


def bytewise(path: str, change) -> callable:
    def act(folder):
        (folder / path).write_bytes(change((folder / path).read_bytes()))
    return act


def lines(path: str, change) -> callable:
    def act(folder):
        (folder / path).write_text("".join(change((folder / path).read_text("utf-8").splitlines(keepends=True))), "utf-8")
    return act


def reseal(folder: Path, as_it_is: bool) -> None:
    """Makes the bundle fit itself again, as one does who knows how it is made but cannot make it say so to its sources.

    Args:
        as_it_is: whether the attack is how a file is spelt, or a reference, which mending the records would undo.
    """
    inside = folder / BUNDLE
    manifest = json.loads((inside / "manifest.json").read_bytes())
    schema_of = {row["path"].removeprefix(f"{BUNDLE}/"): row["schema"] for row in manifest["files"] if row["in_bundle"]}
    if not as_it_is:
        _refer_again(inside, schema_of)
    for row in manifest["files"]:
        path = folder / row["path"]
        if not row["in_bundle"] and path.is_file():
            row |= {"sha256": records.sha256(path), "bytes": path.stat().st_size}
    rows = [row for row in manifest["files"] if not row["in_bundle"]]
    files = sorted(path for path in inside.rglob("*") if path.is_file() and path.name not in ("manifest.json", "SHA256SUMS"))
    rows += [{"path": path.relative_to(folder).as_posix(), "sha256": records.sha256(path), "bytes": path.stat().st_size,
              "schema": schema_of.get(path.name), "in_bundle": True} for path in files]
    write(inside / "manifest.json", manifest | {"files": sorted(rows, key=lambda row: row["path"])})
    sums = {path.relative_to(inside).as_posix(): records.sha256(path) for path in inside.rglob("*") if path.is_file() and path.name != "SHA256SUMS"}
    (inside / "SHA256SUMS").write_text("".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items())))


def _refer_again(inside: Path, schema_of: dict) -> None:
    """Digests and values of references, in the order in which the files stand on each other; last the index."""
    for name in ("model_card.json", *sorted(path.name for path in inside.glob("compliance_*.json"))):
        if (inside / name).is_file():
            record = json.loads((inside / name).read_bytes())
            for _, reference in verify._pointing(record, ""):
                _fit(reference, inside)
            write(inside / name, record)
    if (inside / "index.json").is_file():
        index = json.loads((inside / "index.json").read_bytes())
        index["files"] = {path.name: {"schema": schema_of.get(path.name), "sha256": records.sha256(path)} for path in inside.iterdir()
                          if path.is_file() and path.name not in ("index.json", *index["later"])}
        write(inside / "index.json", index)


def _fit(reference: dict, inside: Path) -> None:
    path = inside / reference["file"].removeprefix(f"{BUNDLE}/")
    if "sha256" in reference and path.is_file():
        reference["sha256"] = records.sha256(path)
        with contextlib.suppress(LookupError, ValueError):
            if "value" in reference:
                reference["value"] = compliance.resolve(json.loads(path.read_bytes()), reference["pointer"])


# The reader's levels

def in_process(root: Path, words: list[str]) -> tuple[int, str]:
    """As verify.started, in this process: the code is that of this repository, of which the project holds a copy."""
    said = io.StringIO()
    with contextlib.chdir(root), contextlib.redirect_stderr(said):
        try:
            return stage.run(stage_evidence.main, copy.deepcopy(stage_evidence.parser), words[2:]), said.getvalue()
        except (ValueError, LookupError, TypeError, AttributeError, OSError) as error:
            return 1, f"{type(error).__name__}: {error}"


class Derivations:
    """Runs the stage evidence once for each state of its sources: attacks on the evidence alone leave them as they are.

    Args:
        original: state of the project before any attack.

    Attributes:
        in_sources: whether the attack at hand may have changed a source.
    """

    def __init__(self, original: dict):
        self.known, self.original, self.in_sources, self.first = {}, original, True, ""

    def run(self, root: Path, words: list[str]) -> tuple[int, str]:
        """As verify.started."""
        before, out = state(root) if self.in_sources else self.original, [Path(words[-3]), Path(words[-1])]
        key = _digest(before) if self.in_sources or not self.first else self.first
        self.first = self.first or key
        if key not in self.known:
            code = (name for name in self.original if name.startswith(("stages/", "radiotrace/", "schemas/")))
            is_code = any(self.original[name] != before.get(name) for name in code)
            status, said = (verify.started if is_code else in_process)(root, words)
            made = {} if status else {path.name: path.read_bytes() for path in out[0].iterdir()}
            self.known[key] = status, said, made, b"" if status else out[1].read_bytes()
        status, said, made, gates = self.known[key]
        if not status:
            out[0].mkdir(parents=True, exist_ok=True)
            for name, content in made.items():
                (out[0] / name).write_bytes(content)
            out[1].write_bytes(gates)
        return status, said


def _digest(before: dict) -> str:
    """Of what the stage evidence may read."""
    digest = hashlib.sha256()
    for name in sorted(before):
        if not name.startswith((f"{BUNDLE}/", "signatures/", "keys/", "metrics/gates.json", "execution/")) and "__pycache__" not in name:
            digest.update(name.encode() + b"\0" + hashlib.sha256(before[name] if isinstance(before[name], bytes) else b"").digest())
    return digest.hexdigest()


def found(one: Release, derivations: Derivations, is_locked: bool = True) -> dict[str, list[str]]:
    """Faults by level, 'signed' among them: a signature, or a file whose SHA-256 stands in what was signed.

    Args:
        is_locked: whether dvc.lock counts: who knows how things are made makes it fit, too.
    """
    folder, inside = one.folder, one.folder / BUNDLE
    whole = [fault for check in verify.whole(inside) for fault in check.faults]
    signatures = [f"{row['file']}: {fault}" for row in signing.verify(folder / "signatures", inside, one.given, folder) for fault in row["faults"]]
    hashes = verify.vouched(inside, folder).faults + beside.named(inside, folder).faults
    again = verify.derived(inside, folder, derivations.run).faults
    told = history.check(folder).faults + (beside.locked(folder).faults if is_locked else []) if derivations.in_sources else []
    return {"1": whole, "2": signatures, "signed": signatures + hashes, "3": whole + hashes + again + told}


def remade(one: Release, derivations: Derivations) -> str | None:
    """The attacker runs the stage evidence on the changed sources, and its outputs take their places.

    Returns:
        'stops' where the stage refuses, 'says so' where the evidence that was made gives new reasons against a release, else None.
    """
    before = verify.release(one.folder / BUNDLE).faults
    words = verify._command(one.folder / "dvc.yaml")[1:]
    status, _ = derivations.run(one.folder, [*words, "--out", str(one.folder.parent / "remade/evidence"),
                                             "--gates", str(one.folder.parent / "remade/gates.json")])
    if status:
        return "stops"
    shutil.rmtree(one.folder / BUNDLE)
    shutil.copytree(one.folder.parent / "remade/evidence", one.folder / BUNDLE)
    shutil.copy(one.folder.parent / "remade/gates.json", one.folder / "metrics/gates.json")
    shutil.rmtree(one.folder.parent / "remade")
    return "says so" if set(verify.release(one.folder / BUNDLE).faults) - set(before) else None


def cached(monkeypatch) -> None:
    """Files are read, hashed and checked once for each of their contents: what is tried here is what is found in them, not how they are read."""
    load, fetch, read, check = params.load_yaml, records.read, verify._record, records.faults
    pages, fetched, seen, broken, kept = {}, {}, {}, {}, set()

    def load_yaml(path):
        try:
            key = Path(path).read_bytes()
        except OSError:
            return load(path)
        if key not in pages:
            pages[key] = load(path)
        return copy.deepcopy(pages[key])

    def file(path, schema):
        try:
            key = Path(path).read_bytes(), schema
        except OSError:
            return fetch(path, schema)
        if key not in fetched:
            fetched[key] = fetch(path, schema)
        return copy.deepcopy(fetched[key])

    def record(content):
        if content not in seen:
            seen[content] = read(content)
            kept.add(id(seen[content][0]))
        return seen[content]

    def faults(value, schema):  # a value that stands in `seen` lives as long as this does, so that its id is its own
        if id(value) not in kept or value is None:
            return check(value, schema)
        if (id(value), schema) not in broken:
            broken[id(value), schema] = check(value, schema)
        return broken[id(value), schema]

    monkeypatch.setattr(params, "load_yaml", load_yaml)
    digest, digests = records.sha256, {}

    def sha256(path):
        found = Path(path).stat()
        key = str(path), found.st_ino, found.st_mtime_ns, found.st_size
        if key not in digests:
            digests[key] = digest(path)
        return digests[key]

    monkeypatch.setattr(records, "sha256", sha256)
    monkeypatch.setattr(records, "read", file)
    monkeypatch.setattr(verify, "_record", record)
    monkeypatch.setattr(records, "faults", faults)
