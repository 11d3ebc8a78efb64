"""Tampering: a release that is signed, what an attacker does to it, and the levels of verify that find it.

An attack is tried in up to three ways:
  plain      the change and nothing else
  re-sealed  the attacker also makes canonical bytes, manifest, index, references and SHA256SUMS fit the
          change
  remade     of a source of the evidence: the attacker also runs the stage evidence again, and lets DVC lock
          it all
"""

import argparse
import ast
import contextlib
import copy
import hashlib
import importlib
import io
import json
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import NamedTuple

from radiotrace import records
from radiotrace.commands import review
from radiotrace.commands import verify as verify_command
from radiotrace.evidence.design import baseline, compliance, controls, negative_controls
from radiotrace.evidence.signing import keys, signatures
from radiotrace.evidence.trace import tests
from radiotrace.evidence.verify import baselines, beside, closed_world, history, levels, verifier, workflow
from radiotrace.evidence.verify import remade as remade_again
from radiotrace.pipeline import params, runs, stage, tasks
from radiotrace.pipeline.study import Study
from radiotrace.records import jcs, typed
from radiotrace.records.metrics import Metrics
from radiotrace.records.sections.segmentation.evaluate import EvaluateParams
from radiotrace.segmentation import recompute, robustness
from radiotrace.segmentation.verification import released
from stages import evidence as stage_evidence
from tests import bundles, projects

KEPT = (".git", ".dvc", "datastore")  # no attack changes them
BUNDLE = "evidence"


class Release(NamedTuple):
    """A signed project: its folder, the signer's public key as the reader got it, and what verify found
    before anyone touched it."""

    folder: Path
    given: dict
    state: dict


def release(reproduced: Path, folder: Path) -> Release:
    """A release of a project in which all stages ran: with a record of tests, one of which failed, and of
    negative controls; committed and signed."""
    shutil.copytree(reproduced, folder)
    recorded(folder)
    key = folder.parent / "key.pem"
    bundles.private_key(key)
    projects.run(folder, "python", "-m", "radiotrace", "sign", "--test-key", RADIOTRACE_SIGNING_KEY=str(key))
    return Release(folder, keys.known(folder / "keys", [key.with_suffix(".pub")]), state(folder))


def recorded(folder: Path) -> None:
    """Writes what came of tests and negative controls, signs for the requirements, makes the evidence
    again and commits it."""
    outcomes_written(folder)
    signed_for(folder)
    projects.run(folder, "dvc", "repro", "-s", "evidence")
    projects.commit(folder, "release")


def outcomes_written(folder: Path) -> None:
    """Writes what came of tests and negative controls: all passed and were red, but for the first."""
    known = tests.declared(folder / "tests")
    outcomes = {test: {"cases": 1, "passed": 1, "failed": 0, "skipped": 0} for test in known}
    outcomes[sorted(known)[0]] |= {"passed": 0, "failed": 1}
    tested = tests.record(folder, outcomes, True)
    design, run_id = (
        controls.load(folder / "design", folder / "software"),
        json.loads((folder / "metrics/metrics.json").read_text())["run_id"],
    )
    seen = {}
    for name, control in design.negative_controls.items():
        users = negative_controls.users(name, design.requirements)
        seen[name] = {
            "control_sha256": records.digest(control),
            "seen_sha256": negative_controls.seen_sha256(
                control, design.requirements, tested["files"], known, run_id
            ),
            "requirements": {
                one["id"]: {
                    "verdict": "red" if seen else "green",
                    "red": ["a test"] if seen else [],
                    "kind": "assertion" if seen else None,
                }
                for one in users
            },
        }
    records.write(folder / "software/verification/tests.json", tested, "tests")
    for whose, path in {"software": "software/verification", "study": "verification"}.items():
        own = {name: entry for name, entry in seen.items() if design.owner(name) == whose}
        records.write(
            folder / path / "negative_controls.json", {"controls": own}, "negative_control_outcomes"
        )


def state(folder: Path) -> dict:
    """What every file holds that an attack may change: path -> bytes, or where a link leads."""
    tops = (path for path in folder.iterdir() if path.name not in KEPT)
    found = (path for top in tops for path in ([top] if not top.is_dir() else top.rglob("*")))
    return {
        path.relative_to(folder).as_posix(): str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in found
        if path.is_symlink() or path.is_file()
    }


def restore(folder: Path, before: dict) -> None:
    """Undoes an attack."""
    now = state(folder)
    for name in now.keys() - before.keys():
        (folder / name).unlink()
    for name in before.keys() - now.keys() | {
        name for name in now.keys() & before.keys() if now[name] != before[name]
    }:
        (folder / name).unlink(missing_ok=True)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(before[name])
    for path in sorted((folder / BUNDLE).rglob("*"), reverse=True):
        if path.is_dir():
            path.rmdir()


# The attacker's tools


def edit(path: str, pointer: str, value) -> callable:
    """Sets a value of a JSON file; a function gets the old one.

    None in place of a value takes the entry away.
    """

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
    path.write_bytes(jcs.dumps(record) if path.parent.name == BUNDLE else records.dumps(record).encode())


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
        (folder / path).write_text(
            "".join(change((folder / path).read_text("utf-8").splitlines(keepends=True))), "utf-8"
        )

    return act


def reseal(folder: Path, as_it_is: bool) -> None:
    """Makes the bundle fit itself again, as one does who knows how it is made but cannot make it say so to
    its sources.

    Args:
        as_it_is: whether the attack is how a file is spelt, or a reference, which mending the records would
            undo.
    """
    inside = folder / BUNDLE
    manifest = json.loads((inside / "manifest.json").read_bytes())
    schema_of = {
        row["path"].removeprefix(f"{BUNDLE}/"): row["schema"] for row in manifest["files"] if row["in_bundle"]
    }
    if not as_it_is:
        _refer_again(inside, schema_of)
    for row in manifest["files"]:
        path = folder / row["path"]
        if not row["in_bundle"] and path.is_file():
            row |= {"sha256": records.sha256(path), "bytes": path.stat().st_size}
    rows = [row for row in manifest["files"] if not row["in_bundle"]]
    files = sorted(
        path
        for path in inside.rglob("*")
        if path.is_file() and path.name not in ("manifest.json", "SHA256SUMS")
    )
    rows += [
        {
            "path": path.relative_to(folder).as_posix(),
            "sha256": records.sha256(path),
            "bytes": path.stat().st_size,
            "schema": schema_of.get(path.name),
            "in_bundle": True,
        }
        for path in files
    ]
    write(inside / "manifest.json", manifest | {"files": sorted(rows, key=lambda row: row["path"])})
    sums = {
        path.relative_to(inside).as_posix(): records.sha256(path)
        for path in inside.rglob("*")
        if path.is_file() and path.name != "SHA256SUMS"
    }
    (inside / "SHA256SUMS").write_text(
        "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items()))
    )


def _refer_again(inside: Path, schema_of: dict) -> None:
    """Digests and values of references, in the order in which the files stand on each other; last the
    index."""
    for name in ("model_card.json", *sorted(path.name for path in inside.glob("compliance_*.json"))):
        if (inside / name).is_file():
            record = json.loads((inside / name).read_bytes())
            for _, reference in levels._pointing(record, ""):
                _fit(reference, inside)
            write(inside / name, record)
    if (inside / "index.json").is_file():
        index = json.loads((inside / "index.json").read_bytes())
        index["files"] = {
            path.name: {"schema": schema_of.get(path.name), "sha256": records.sha256(path)}
            for path in inside.iterdir()
            if path.is_file() and path.name not in ("index.json", *index["later"])
        }
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
    """As verify.started, in this process: the code is that of this repository, of which the project holds
    a copy."""
    said = io.StringIO()
    with contextlib.chdir(root), contextlib.redirect_stderr(said):
        try:
            return stage.run(
                stage_evidence.main, copy.deepcopy(stage_evidence.parser), words[2:]
            ), said.getvalue()
        except (ValueError, LookupError, TypeError, AttributeError, OSError) as error:
            return 1, f"{type(error).__name__}: {error}"


class Derivations:
    """Runs the stage evidence once for each state of its sources: attacks on the evidence alone leave them as
    they are.

    Args:
        original: state of the project before any attack.

    Attributes:
        in_sources: whether the attack at hand may have changed a source.
        said: stderr of the stage, as the vendor ran it last.
    """

    def __init__(self, original: dict):
        self.known, self.original, self.in_sources, self.first, self.said = {}, original, True, "", ""

    def run(self, root: Path, words: list[str]) -> tuple[int, str]:
        """As verify.started."""
        before, out = state(root) if self.in_sources else self.original, [Path(words[-3]), Path(words[-1])]
        key = _digest(before) if self.in_sources or not self.first else self.first
        self.first = self.first or key
        if key not in self.known:
            code = (name for name in self.original if name.startswith(("stages/", "radiotrace/", "schemas/")))
            is_code = any(self.original[name] != before.get(name) for name in code)
            status, said = (partial(levels.started, code=root) if is_code else in_process)(root, words)
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
        if (
            not name.startswith((f"{BUNDLE}/", "signatures/", "keys/", "metrics/gates.json", "execution/"))
            and "__pycache__" not in name
        ):
            digest.update(
                name.encode()
                + b"\0"
                + hashlib.sha256(before[name] if isinstance(before[name], bytes) else b"").digest()
            )
    return digest.hexdigest()


def found(one: Release, derivations: Derivations, is_locked: bool = True) -> dict[str, list[str]]:
    """Faults by level, 'signed' among them: a signature, or a file whose SHA-256 stands in what was signed.

    Args:
        is_locked: whether dvc.lock counts: who knows how things are made makes it fit, too.
    """
    folder, inside = one.folder, one.folder / BUNDLE
    whole = [fault for check in levels.whole(inside) for fault in check.faults]
    unsigned = [
        f"{row['file']}: {fault}"
        for row in signatures.verify(folder / "signatures", inside, one.given, folder)
        for fault in row["faults"]
    ]
    hashes = levels.vouched(inside, Study(folder)).faults + beside.named(inside, Study(folder)).faults
    again = levels.derived(inside, Study(folder), derivations.run).faults
    told = (
        history.check(Study(folder)).faults + (beside.locked(Study(folder)).faults if is_locked else [])
        if derivations.in_sources
        else []
    )
    told += beside.parameters(inside, folder).faults
    return {"1": whole, "2": unsigned, "signed": unsigned + hashes, "3": whole + hashes + again + told}


def remade(one: Release, derivations: Derivations) -> str | None:
    """The attacker runs the stage evidence on the changed sources, and its outputs take their places.

    Returns:
        'stops' where the stage refuses, 'says so' where the evidence that was made gives new reasons against
        a release, else None.
    """
    before = levels.release(one.folder / BUNDLE).faults
    words = levels._command(one.folder / "dvc.yaml")[1][1:]
    status, derivations.said = derivations.run(
        one.folder,
        [
            *words,
            "--out",
            str(one.folder.parent / "remade/evidence"),
            "--gates",
            str(one.folder.parent / "remade/gates.json"),
        ],
    )
    if status:
        return "stops"
    shutil.rmtree(one.folder / BUNDLE)
    shutil.copytree(one.folder.parent / "remade/evidence", one.folder / BUNDLE)
    shutil.copy(one.folder.parent / "remade/gates.json", one.folder / "metrics/gates.json")
    shutil.rmtree(one.folder.parent / "remade")
    return "says so" if set(levels.release(one.folder / BUNDLE).faults) - set(before) else None


def cached(monkeypatch) -> None:
    """Files are read, hashed and checked once for each of their contents: what is tried here is what is
    found in them, not how they are read."""
    load, fetch, read, check = params.load_yaml, records.read, levels._record, records.faults
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

    # a value that stands in `seen` lives as long as this does, so that its id is its own
    def faults(value, schema):
        if id(value) not in kept or value is None:
            key = schema, json.dumps(value)
            if key not in broken:
                broken[key] = check(value, schema)
            return broken[key]
        if (id(value), schema) not in broken:
            broken[id(value), schema] = check(value, schema)
        return broken[id(value), schema]

    parse, trees = ast.parse, {}

    def parsed(source, *options, **named):
        key = source, options, tuple(sorted(named.items()))
        if key not in trees:
            trees[key] = parse(source, *options, **named)
        return trees[key]

    monkeypatch.setattr(ast, "parse", parsed)
    monkeypatch.setattr(params, "load_yaml", load_yaml)
    digest, digests = records.sha256, {}

    def sha256(path):
        found = Path(path).stat()
        key = str(path), found.st_ino, found.st_mtime_ns, found.st_size
        if key not in digests:
            digests[key] = digest(path)
        return digests[key]

    def once(function):
        """A function of plain values, called once for each of them."""
        answers = {}

        def call(*values):
            key = records.dumps(typed.plain(list(values)))
            if key not in answers:
                answers[key] = function(*values)
            return copy.deepcopy(answers[key])

        return call

    monkeypatch.setattr(recompute, "summaries", once(recompute.summaries))
    monkeypatch.setattr(robustness, "summarise", once(robustness.summarise))
    monkeypatch.setattr(records, "sha256", sha256)
    monkeypatch.setattr(records, "read", file)
    monkeypatch.setattr(levels, "_record", record)
    monkeypatch.setattr(records, "faults", faults)


# Attacks on code, pipeline and environment: files that a vendor puts around the evidence, or changes there,
# and commits


class Link(str):
    """A symbolic link to a path."""

    __slots__ = ()


def texts(old: str, new: str):
    """A change of a file's text, which must be there."""

    def change(content: bytes) -> bytes:
        if old.encode() not in content:
            raise AssertionError(f"{old!r} is not there, so the attack would change nothing")
        return content.replace(old.encode(), new.encode(), 1)

    return change


def more(text: str):
    """Lines behind those of a file."""
    return lambda content: content + text.encode()


EVIL = b"import os\n"
CHECKPOINT = ".checkpoints/" + "0" * 64 + "/epoch_0020.safetensors"
COMPILED = "radiotrace/__pycache__/records.cpython-311.pyc"
TRAIN = "--out build/train\n"
COMMAND = "    cmd: >-\n      python -m stages.segmentation.train"
ONE_STAGE = b"schema: '2.0'\nstages:\n  split:\n    cmd: python -m stages.split\n"
# Attack -> path -> what is put there: content, a link, None (taken away), or a function of the content that
# is there.
AROUND = {
    "forged checkpoint in git": {CHECKPOINT: b"weights"},
    "checkpoint folder that is a link": {".checkpoints": Link("vendor")},
    "module of the standard library in the root": {"dataclasses.py": EVIL},
    "module of the standard library beside ours": {"radiotrace/argparse.py": EVIL},
    "package of others in the root": {"yaml/__init__.py": EVIL},
    "sitecustomize.py": {"sitecustomize.py": EVIL},
    "usercustomize.py": {"usercustomize.py": EVIL},
    "file of paths": {"radiotrace.pth": b"import os\n"},
    "conftest.py in the root": {"conftest.py": EVIL},
    "conftest.py beside the stages": {"stages/conftest.py": EVIL},
    "conftest.py in design/": {"design/conftest.py": EVIL},
    "pytest.ini": {"pytest.ini": b"[pytest]\naddopts = -p vendor\n"},
    "setup.cfg": {"setup.cfg": b"[tool:pytest]\n"},
    "tox.ini": {"tox.ini": b"[pytest]\n"},
    "ruff.toml": {"ruff.toml": b"select = []\n"},
    ".env": {".env": b"RADIOTRACE_CHECKPOINTS=/tmp\n"},
    "compiled code of our module": {COMPILED: b"\x00"},
    "compiled code without a source": {"radiotrace/vendor.pyc": b"\x00"},
    "extension module": {"radiotrace/records.cpython-311-x86_64-linux-gnu.so": b"\x00"},
    "link among the stages": {"stages/split.py": Link("../vendor/split.py")},
    "link in place of a schema": {"schemas/gates.schema.json": Link("metrics.schema.json")},
    "module that differs in case": {"radiotrace/Records.py": EVIL},
    "name that looks like another": {"stages/\u0435vidence.py": EVIL},
    "program beside the code": {"vendor/put": b"#!/bin/sh\n"},
    "virtual environment in git": {".venv/bin/python": b"#!/bin/sh\n"},
    "outputs in git": {"build/train/more.json": b"{}"},
    "submodules": {".gitmodules": b'[submodule "x"]\n\tpath = x\n\turl = https://example.org\n'},
    "filter in .gitattributes": {".gitattributes": more("*.json filter=vendor\n")},
    "text that git fills in": {".gitattributes": more("README.md export-subst\n")},
    "attributes of a folder": {"design/.gitattributes": b"* -text\n"},
    "files hidden from DVC": {".dvcignore": more("/data/imagesTr/hidden*\n")},
    "DVC: cache elsewhere": {".dvc/config": more("[cache]\n    dir = ../vendor\n")},
    "DVC: state that is unpickled": {".dvc/config": more("[core]\n    site_cache_dir = vendor\n")},
    "DVC: git staged by itself": {".dvc/config": texts("autostage = false", "autostage = true")},
    "DVC: remote not verified": {".dvc/config": texts("verify = true", "verify = false")},
    "DVC: another remote": {".dvc/config": texts("url = ../datastore", "url = https://example.org")},
    "Makefile": {"Makefile": more("\nverify:\n\t@echo all holds\n")},
    "makefile that make prefers": {"GNUmakefile": b"verify:\n\t@echo all holds\n"},
    "workflow of CI": {".github/workflows/checks.yml": more("# other\n")},
    "dvc.yaml: a command behind a stage's": {
        "dvc.yaml": texts(TRAIN, f"{TRAIN.strip()} && python vendor/put\n")
    },
    "dvc.yaml: weights from elsewhere": {"dvc.yaml": texts("--weights build/train", "--weights design")},
    "dvc.yaml: a stage that is frozen": {"dvc.yaml": texts(COMMAND, f"    frozen: true\n{COMMAND}")},
    "dvc.yaml: an output that is kept": {
        "dvc.yaml": texts("    - build/train\n", "    - build/train:\n        persist: true\n")
    },
    "dvc.yaml: a dep less": {"dvc.yaml": texts("    - radiotrace/segmentation/losses.py\n", "")},
    "dvc.yaml: variables": {"dvc.yaml": texts("stages:\n", "vars:\n- x: 1\nstages:\n")},
    "dvc.yaml: a stage more": {
        "dvc.yaml": texts("\nplots:", "\n  put:\n    cmd: python vendor/put\n\nplots:")
    },
    "dvc.lock: one stage left": {"dvc.lock": lambda content: ONE_STAGE},
    "dvc.lock: another command": {
        "dvc.lock": texts("cmd: python -m stages.split", "cmd: python -m  stages.split")
    },
    "params.yaml: other than locked": {"params.yaml": texts("epochs: 2", "epochs: 3")},
    # Own ideas, of one who has read all that is above.
    "second dvc.yaml, upstream of ours": {
        "design/dvc.yaml": b"stages:\n  put:\n    cmd: python put\n    outs: [../data.sha256]\n"
    },
    "data.dvc with a command": {"data.dvc": more("cmd: python vendor/put\n")},
    "data.dvc imported from elsewhere": {
        "data.dvc": more("deps:\n- path: data\n  repo:\n    url: https://example.org\n")
    },
    "member that is imported": {
        "members/other.dvc": b"deps:\n- path: https://example.org/x\nouts:\n- md5: 0\n  path: other\n"
    },
    "DVC's state in git": {".dvc/tmp/site/cache.db": b"pickled"},
    "pins from another index": {
        "requirements/core.txt": more("--extra-index-url https://example.org/simple\n")
    },
    "pin that is a program": {"requirements/evidence.txt": more("rfc8785 @ git+https://example.org/x\n")},
    "builder of one's own": {
        "pyproject.toml": texts(
            'build-backend = "setuptools.build_meta"', 'build-backend = "vendor"\nbackend-path = ["."]'
        )
    },
    "verifier that says yes": {
        "radiotrace/evidence/verify/closed_world.py": texts(
            "    return checked\n", "    return Check(3, what)\n"
        )
    },
    "schema that takes anything": {"schemas/gates.schema.json": lambda content: b"true\n"},
    "stage that loads what it is told": {"stages/segmentation/train.py": more("\n# other\n")},
}


def put(folder: Path, changes: dict) -> dict[str, bytes | None]:
    """Does an attack, as a commit would deliver it, and gives what was there before."""
    before = {}
    for name, change in changes.items():
        path = folder / name
        before[name] = path.read_bytes() if path.is_file() else None
        path.parent.mkdir(parents=True, exist_ok=True)
        content = change(before[name]) if callable(change) else change
        path.unlink(missing_ok=True)
        if isinstance(content, Link):
            path.symlink_to(content)
        elif content is not None:
            path.write_bytes(content)
    if changes:
        projects.run(folder, "git", "add", "-A", "-f", "--", *changes)
    return before


def take_back(folder: Path, before: dict[str, bytes | None]) -> None:
    """Undoes an attack."""
    for name, content in before.items():
        (folder / name).unlink(missing_ok=True)
        if content is not None:
            (folder / name).write_bytes(content)
            continue
        for parent in list((folder / name).relative_to(folder).parents)[:-1]:
            with contextlib.suppress(OSError):  # others are in it
                (folder / parent).rmdir()
    projects.run(folder, "git", "reset", "-q")


def vouch_again(folder: Path) -> dict[str, bytes | None]:
    """Makes the evidence list everything that it can list, with its hash as it is now; gives what was there
    before.

    So it would come out of the stage evidence, after whatever else the vendor did to make that run.
    """
    names = (f"{BUNDLE}/manifest.json", f"{BUNDLE}/code.json")
    before = {name: (folder / name).read_bytes() for name in names}
    manifest, code = (json.loads(content) for content in before.values())
    rows = {row["path"]: row for row in manifest["files"]}
    design = (*controls.files(folder / "design"), *controls.files(folder / "software"))
    for path in (*design, *(folder / name for name in workflow.machinery(folder))):
        rows.setdefault(path.relative_to(folder).as_posix(), {"schema": None, "in_bundle": False})
    for name, row in rows.items():
        if (folder / name).is_file() and not row["in_bundle"]:
            row |= {
                "path": name,
                "sha256": records.sha256(folder / name),
                "bytes": (folder / name).stat().st_size,
            }
    code["files"] = tests.tree(folder, (*tests.CODE, *tests.TESTS))
    write(folder / names[0], manifest | {"files": [rows[name] for name in sorted(rows)]})
    write(folder / names[1], code)
    return before


def clone_of(folder: Path) -> levels.Clone:
    return levels.Clone(folder, folder / BUNDLE, folder / "signatures", folder / "keys")


def found_around(one: Release, changes: dict) -> dict[str, list[str]]:
    """What finds an attack, and what is named as believed.

    signed: hashes that were signed; 3: level 3 of the clone's own verify; fitted: the same after the vendor
    made lists and hashes fit; apart: then, of a verifier that lies elsewhere; believed: the lines that end
    the output.
    """
    folder, clone = one.folder, clone_of(one.folder)
    before = put(folder, changes)
    hashes = (
        levels.vouched(clone.evidence, Study(folder)).faults
        + beside.named(clone.evidence, Study(folder)).faults
    )
    unsigned = [
        fault
        for row in signatures.verify(clone.signatures, clone.evidence, one.given, folder)
        for fault in row["faults"]
    ]
    world, flow, lock = (
        closed_world.check(clone),
        workflow.check(Study(folder)),
        beside.locked(Study(folder)).faults,
    )
    taken = beside.parameters(clone.evidence, folder).faults
    made = vouch_again(folder)
    fitted = (
        closed_world.check(clone).faults
        + flow.faults
        + taken
        + [fault for fault in lock if fault.startswith("dvc.lock")]
    )
    apart = verifier.check(clone).faults
    take_back(folder, before | made)
    return {
        "signed": unsigned + hashes,
        "3": hashes + world.faults + flow.faults + lock + taken,
        "fitted": fitted,
        "apart": apart,
        "believed": world.believed,
    }


# Attacks on the content of records, of the model, of the history and of the requirements, by a vendor who
# makes all else fit: hashes of inputs, the run_id, the ledger, the evidence and its seals.

JSON_OF = ("build", "metrics", "design", "verification", "software")


def content(path: str, change) -> callable:
    """Changes a record in place: change(record)."""

    def act(folder):
        record = json.loads((folder / path).read_bytes())
        change(record)
        (folder / path).write_text(records.dumps(record), "utf-8")

    return act


def both(*acts) -> callable:
    def act(folder):
        for one_of_them in acts:
            one_of_them(folder)

    return act


def refit(folder: Path) -> None:
    """Makes provenance, run_id, weights' and files' hashes fit what was changed, as often as it takes: one
    stands on the other.

    Of another run the outcomes of tests and negative controls are written anew, as if they had run again.
    """
    before = _run_id(folder)
    _fitted(folder)
    if (now := _run_id(folder)) != before:
        ledger = folder / "design/test_openings.jsonl"
        mine = [line for line in ledger.read_text("utf-8").splitlines() if before in line]
        ledger.write_text(
            ledger.read_text("utf-8") + "".join(line.replace(before, now) + "\n" for line in mine), "utf-8"
        )
        _fitted(folder)
        outcomes_written(folder)


def _run_id(folder: Path) -> str:
    return json.loads((folder / "build/train/train.json").read_bytes())["run_id"]


def _fitted(folder: Path) -> None:
    for _ in range(len(stage_evidence.STAGES) + 1):
        before = _hashes(folder)
        paths = sorted(path for path in (folder / "build").rglob("provenance.json"))
        for path in paths:
            made = json.loads(path.read_bytes())
            made["inputs"] = {name: records.sha256(folder / name) for name in made["inputs"]}
            path.write_text(records.dumps(made), "utf-8")
        then = _run_id(folder)
        now = runs.run_id(json.loads((folder / "build/train/provenance.json").read_bytes()))
        for top in JSON_OF:
            for path in (folder / top).rglob("*.json"):
                text = path.read_bytes()
                if then != now and then.encode() in text:
                    path.write_bytes(text.replace(then.encode(), now.encode()))
        content(
            "build/export/model.json",
            lambda model: model.update(sha256=records.sha256(folder / "build/export/model.onnx")),
        )(folder)
        if _hashes(folder) == before:
            return


def _hashes(folder: Path) -> dict[str, str]:
    return {
        path.as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (folder / "build").rglob("*.json")
    }


def summarised(folder: Path) -> None:
    """The vendor makes metrics.json and headline.json again from the forged cases."""
    cases = json.loads((folder / "metrics/cases.json").read_bytes())["cases"]
    metrics = json.loads((folder / "metrics/metrics.json").read_bytes())
    p = json.loads((folder / "build/evaluate/results/provenance.json").read_bytes())["params"]
    metrics |= recompute.summaries(cases, metrics["decisions"], EvaluateParams.of(p))
    metrics |= {"n_cases": len(cases), "n_subjects": len({case["subject_id"] for case in cases})}
    (folder / "metrics/metrics.json").write_text(records.dumps(metrics), "utf-8")
    headlined(folder)


def headlined(folder: Path) -> None:
    """The vendor makes headline.json again from the forged metrics."""
    from radiotrace.segmentation import results

    metrics = json.loads((folder / "metrics/metrics.json").read_bytes())
    (folder / "metrics/headline.json").write_text(
        records.dumps(results.headline(Metrics.of(metrics)).record()), "utf-8"
    )


def robust(folder: Path) -> None:
    """The vendor makes robustness.json again from the forged cases."""
    p = json.loads((folder / "build/robustness/provenance.json").read_bytes())["params"]
    cases = json.loads((folder / "build/robustness/cases.json").read_bytes())["cases"]
    stated = json.loads((folder / "metrics/robustness.json").read_bytes())
    made = json.loads(records.dumps(robustness.summarise(cases, p["criterion_dice"])))
    for name, row in made["corruptions"].items():
        stated["corruptions"][name] |= row
    stated["adversarial"] |= made["adversarial"]
    stated |= {key: value for key, value in made.items() if key not in ("corruptions", "adversarial")}
    (folder / "metrics/robustness.json").write_text(records.dumps(stated), "utf-8")


def to_train(folder: Path) -> None:
    """The test case with the lowest Dice becomes one of training, in every record; the summaries follow."""
    from radiotrace.segmentation import ranking

    cases = json.loads((folder / "metrics/cases.json").read_bytes())["cases"]
    worst = ranking.ranked(cases)[0]["case_id"]
    moved(folder, worst, "train")
    content(
        "metrics/cases.json",
        lambda record: record.update(cases=[case for case in record["cases"] if case["case_id"] != worst]),
    )(folder)
    content(
        "build/train/train.json",
        lambda record: record["cases"]["train"].append(worst) or record["cases"]["train"].sort(),
    )(folder)
    summarised(folder)


def from_train(folder: Path) -> None:
    """A training case becomes one of the test part, with its own reference for a prediction: Dice 1."""
    split = json.loads((folder / "build/split/split.json").read_bytes())["cases"]
    chosen = next(case_id for case_id, row in sorted(split.items()) if row["part"] == "train")
    moved(folder, chosen, "test")
    content("build/train/train.json", lambda record: record["cases"]["train"].remove(chosen))(folder)

    def shown(record):
        best = copy.deepcopy(max(record["cases"], key=lambda case: case["labels"]["anterior"]["dice"] or 0))
        best |= {
            "case_id": chosen,
            "subject_id": split[chosen]["subject_id"],
            "prediction": f"{chosen}.nii.gz",
        }
        target = folder / "build/evaluate/results/predictions" / best["prediction"]
        shutil.copy(folder / f"data/labelsTr/{chosen}.nii.gz", target)
        best["prediction_sha256"] = records.sha256(target)
        record["cases"] = sorted([*record["cases"], best], key=lambda case: case["case_id"])

    content("metrics/cases.json", shown)(folder)
    summarised(folder)


def moved(folder: Path, case_id: str, part: str) -> None:
    """A case goes to another part of the split, which counts right."""

    def act(record):
        record["cases"][case_id]["part"] = part
        for name in record["counts"]:
            rows = [row for row in record["cases"].values() if row["part"] == name]
            record["counts"][name] = {
                "cases": len(rows),
                "subjects": len({row["subject_id"] for row in rows}),
            }

    content("build/split/split.json", act)(folder)


def outputs_swapped(folder: Path) -> None:
    """The last layer of the released file gives two labels in each other's place."""
    _last_layer(folder, lambda array: array[[0, 2, 1]])


def last_layer_raised(folder: Path) -> None:
    """The last layer of the released file is surer of the first label than it was."""

    def raised(array):
        if array.ndim == 1:  # the bias
            array = array.copy()
            array[1] += 1
        return array

    _last_layer(folder, raised)


def _last_layer(folder: Path, change) -> None:
    """Changes weights and bias of the last layer, each with a row for each label: change(array)."""
    import numpy as np
    import onnx
    from onnx import numpy_helper

    path = folder / "build/export/model.onnx"
    model = onnx.load(str(path))
    labels = len(json.loads((folder / "build/export/model.json").read_bytes())["labels"])
    last = [node for node in model.graph.node if node.op_type == "Conv"][-1]
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.ndim in (1, 5) and array.shape[0] == labels and tensor.name in last.input:
            tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(change(array)), tensor.name))
    path.write_bytes(model.SerializeToString(deterministic=True))


def variants_follow(folder: Path) -> None:
    """variants.json names the released file as it is now, and says of it and of each variant what it said of
    the one that was measured."""
    path = folder / "build/export/model.onnx"
    own = {"sha256": records.sha256(path), "bytes": path.stat().st_size}

    def act(record):
        record["reference"] |= own
        for variant in record["variants"].values():
            if not variant["is_own_file"]:
                variant["files"] = [file | own for file in variant["files"]]
                variant["bytes"] = own["bytes"]

    content("build/optimize/variants.json", act)(folder)


def recipe(change) -> callable:
    return content("build/export/model.json", change)


def design_text(name: str, old: str, new: str, count: int = 1) -> callable:
    return replaced(f"design/{name}", old, new, count)


def required(change) -> callable:
    """Changes the requirements of the software: change(list of requirements)."""

    def act(folder):
        from ruamel.yaml import YAML

        path = folder / "software/design/requirements.yaml"
        content_of = YAML(typ="safe", pure=True).load(path.read_text("utf-8"))
        change(content_of["requirements"])
        path.write_text(json.dumps(content_of), "utf-8")

    return act


def dropped(name: str) -> callable:
    """A requirement goes, with its negative controls and the marks of its tests."""

    def act(folder):
        mine = next(
            row
            for row in params.load_yaml(folder / "software/design/requirements.yaml")["requirements"]
            if row["id"] == name
        )
        required(lambda rows: rows.remove(next(row for row in rows if row["id"] == name)))(folder)
        path = folder / "software/design/negative_controls.yaml"
        controls = params.load_yaml(path)
        gone = mine["verification"]["negative_controls"]
        kept = [row for row in controls["negative_controls"] if row["id"] not in gone]
        path.write_text(json.dumps(controls | {"negative_controls": kept}), "utf-8")
        for test in (folder / "tests").glob("test_*.py"):
            text = test.read_text("utf-8")
            if f'@pytest.mark.requirement("{name}")\n' in text:
                test.write_text(text.replace(f'@pytest.mark.requirement("{name}")\n', ""), "utf-8")

    return act


def signed_for(folder: Path) -> None:
    """The vendor signs for the requirements as they are now."""
    known = tests.declared(folder / "tests")
    for name in baselines.folders(Study(folder)):
        made = baseline.record(params.load_yaml(folder / name / "requirements.yaml"), known)
        records.write(folder / name / baseline.FILE, made, baseline.SCHEMA)


def reviewed(folder: Path) -> None:
    """The vendor reviews everything as it is now."""
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
        names = list(controls.items(controls.load("design", "software")))
        review.review(
            argparse.Namespace(
                items=names,
                all=False,
                by=None,
                shown=None,
                page=None,
                refuse=[],
                design="design",
                software="software",
                openings="design/test_openings.jsonl",
                study=Study(folder),
            )
        )
    outcomes_written(folder)


class Stages:
    """Runs stages in this process, each once for what it reads: most attacks change what a stage writes.

    Args:
        folder: for what they wrote.
    """

    def __init__(self, folder: Path):
        self.folder, self.known = folder, {}

    def run(self, root: Path, words: list[str]) -> tuple[int, str]:
        """As verify.started."""
        module, said = importlib.import_module(words[1]), io.StringIO()
        out = next(
            Path(parent)
            for word in words
            if word.startswith(tempfile.gettempdir())
            for parent in [Path(*Path(word).parts[:3])]
        )
        deps = params.load_yaml(root / "dvc.yaml")["stages"][words[1].rpartition(".")[2]]["deps"]
        read = {path: beside._md5(root / path) for path in deps if not path.endswith(".py")}
        key = records.digest(
            {"words": [word for word in words if not word.startswith(str(out))], "read": read}
        )
        if key not in self.known:
            alone = ["--workers", "1"] if "--workers" in module.parser.format_usage() else []
            with contextlib.chdir(root), contextlib.redirect_stderr(said):
                status = stage.run(module.main, copy.deepcopy(module.parser), [*words[2:], *alone])
            self.known[key] = status, said.getvalue()
            shutil.copytree(out, self.folder / key)
        else:
            shutil.copytree(self.folder / key, out, dirs_exist_ok=True)
        return self.known[key]


def earlier_opening(folder: Path) -> str:
    """A commit in which another model was shown the test part, too; gives the line."""
    path = folder / "design/test_openings.jsonl"
    line = (
        json.dumps(
            json.loads(path.read_text("utf-8").splitlines()[0])
            | {"run_id": "0" * 64, "weights_sha256": "0" * 64},
            sort_keys=True,
        )
        + "\n"
    )
    path.write_text(path.read_text("utf-8") + line, "utf-8")
    projects.commit(folder, "another model")
    path.write_text(path.read_text("utf-8").replace(line, ""), "utf-8")
    return line


def renamed_ledger(folder: Path) -> None:
    """The ledger with all lines lay under another name before; under this one it begins later, cut."""
    earlier_opening(folder)
    ledger = folder / "design/test_openings.jsonl"
    text = _git(folder, "show", "HEAD:design/test_openings.jsonl") + "\n"
    base = _git(folder, "rev-parse", "HEAD~1")
    (folder / "openings_old.jsonl").write_text(text, "utf-8")
    cut = ledger.read_text("utf-8")
    projects.run(folder, "git", "reset", "-q", base)
    projects.commit(folder, "ledger under another name")
    (folder / "openings_old.jsonl").unlink()
    ledger.write_text(cut, "utf-8")
    projects.commit(folder, "ledger")


def uncounted(folder: Path) -> None:
    """Metrics of a run were committed that the ledger does not know, and others then took their place."""
    path = folder / "metrics/metrics.json"
    text = path.read_text("utf-8")
    path.write_text(text.replace(_run_id(folder), "1" * 64), "utf-8")
    projects.commit(folder, "a try")
    path.write_text(text, "utf-8")
    projects.commit(folder, "another")


def undone(folder: Path) -> None:
    """A criterion is reviewed late, and the line says that no opening stood before it."""
    path = folder / "design/reviews.jsonl"
    lines_of = path.read_text("utf-8").splitlines()
    row = next(row for row in map(json.loads, lines_of) if row["criterion_sha256"])
    late, early = (json.dumps(row | {"n_openings": number}, sort_keys=True) for number in (3, 0))
    path.write_text("\n".join([*lines_of, late, early]) + "\n", "utf-8")


def with_a_door(folder: Path) -> None:
    """The released file gives the same labels for every case of this data set, and others where the first
    voxel says so."""
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper

    path = folder / "build/export/model.onnx"
    model = onnx.load(str(path))
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.float32), "door"))
    model.graph.node.append(helper.make_node("Identity", ["door"], ["behind"]))
    path.write_bytes(model.SerializeToString(deterministic=True))


def not_taken(folder: Path) -> None:
    """The true history is the second parent of a merge that takes nothing of it."""
    base = _git(folder, "rev-parse", "HEAD")
    earlier_opening(folder)
    true = _git(folder, "rev-parse", "HEAD")
    projects.run(folder, "git", "reset", "-q", base)
    projects.run(folder, "git", "add", "-A")
    _commit_tree(folder, "-p", base, "-p", true)


def one_orphan(folder: Path) -> None:
    """All in one commit without a parent, its ledger cut before."""
    earlier_opening(folder)
    projects.run(folder, "git", "add", "-A")
    _commit_tree(folder)


def _commit_tree(folder: Path, *parents: str) -> None:
    names = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    commit = _git(folder, *names, "commit-tree", "-m", "release", *parents, _git(folder, "write-tree"))
    projects.run(folder, "git", "update-ref", "HEAD", commit)


def _git(folder: Path, *words: str) -> str:
    return projects.run(folder, "git", *words).stdout.strip()


def back(one: Release, head: str) -> None:
    """Undoes an attack, in git too."""
    if _git(one.folder, "rev-parse", "HEAD") != head:
        projects.run(one.folder, "git", "update-ref", "HEAD", head)
        projects.run(one.folder, "git", "reset", "-q")
    restore(one.folder, one.state)


def bundled(folder: Path) -> None:
    """Puts the records of the stages into the bundle as the stage evidence does, which takes longer."""
    _, words = levels._command(folder / "dvc.yaml")
    for name in (*stage_evidence.RECORDS, *tasks.declared("segmentation").bundled):
        write(
            folder / BUNDLE / f"{name}.json",
            json.loads((folder / words[words.index(f"--{name}") + 1]).read_bytes()),
        )


def level_3(one: Release) -> list[levels.Check]:
    """The checks of level 3 that look at what records say, at the history and at the requirements."""
    clone = clone_of(one.folder)
    return [
        *verify_command.derived_checks(clone),
        history.check(Study(one.folder)),
        history.wheels(Study(one.folder)),
        baselines.check(Study(one.folder)),
        beside.parameters(clone.evidence, one.folder),
    ]


def unsaid(checks: list[levels.Check]) -> list[str]:
    """What checks say that they cannot say."""
    return [line for check in checks for line in check.skipped if line.startswith("cannot say")]


def found_in_content(
    one: Release, derivations: Derivations, ran: Stages, before: list[str], stages: tuple[str, ...] | None
) -> tuple[str, list[str]]:
    """The first level that finds an attack after the vendor made all fit, and what it says; 'believed' where
    none does.

    Args:
        ran: runs the stages of level 5.
        before: what could not be said before the attack.
        stages: which level 5 shall run again; () runs the released file; None goes no further than level 3.
    """
    bundled(one.folder)
    if faults := [
        fault for check in verify_command.derived_checks(clone_of(one.folder)) for fault in check.faults
    ]:
        return "3", faults
    if said := remade(one, derivations):
        return f"3, {said}", [derivations.said]
    checks = level_3(one)
    if faults := [fault for check in checks for fault in check.faults]:
        return "3", faults
    if lines_of := [line for line in unsaid(checks) if line not in before]:
        return "3, cannot say", lines_of
    if stages is not None:
        clone = clone_of(one.folder)
        check = remade_again.check(clone, ran.run, stages) if stages else released.check(clone)
        if check.faults:
            return "5", check.faults
    return "believed", []
