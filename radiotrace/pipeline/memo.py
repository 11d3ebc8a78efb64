"""A memo of work on cases: what it came to, kept by the digest of all that decides it.

A set to which ten cases were added does the work of these ten. Nobody has to believe a memo: it lies outside
of what DVC and git keep, so that a fresh clone has none; and what is damaged in it is done anew.
"""

import argparse
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from radiotrace import records

FOLDER = ".memo"
NONE = "none"
Of = TypeVar("Of")
Result = TypeVar("Result")


def options() -> argparse.ArgumentParser:
    """The parent parser of a stage that keeps a memo.

    Its option changes no byte, so dvc.yaml does not have it.
    """
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(
        "--memo",
        help=f"folder in which work on cases is kept for the next run (RADIOTRACE_MEMO; else {FOLDER}), or "
        f"{NONE}",
    )
    return parser


@dataclass(frozen=True)
class Kept:
    """What is kept of the work on one case.

    Attributes:
        value: JSON; a number comes back with every digit.
        files: path in the folder of outputs -> SHA-256, of what the work wrote.
    """

    value: Any
    files: Mapping[str, str] = field(default_factory=dict)


class Memo:
    """What a stage kept of its cases.

    Args:
        args: of a parser that has options().
        stage: its name.
        decided_by: what decides the work on every case: code, parameters and versions. JSON.
        out: folder of the files that the work writes.
    """

    def __init__(self, args, stage: str, decided_by: Mapping[str, Any], out: Path):
        chosen = getattr(args, "memo", None) or os.environ.get("RADIOTRACE_MEMO") or FOLDER
        self._is_on = chosen != NONE
        self._folder, self._out = Path(chosen) / stage, out
        self._decided_by = _digest(decided_by)
        self._used: set[Path] = set()

    def through(
        self,
        cases: Sequence[Of],
        inputs: Callable[[Of], Any],
        work: Callable[[list[Of]], Iterable[Result]],
        kept: Callable[[Of, Result], Kept | None],
        again: Callable[[Of, Any], Result],
    ) -> Iterator[Result]:
        """The result of each case, in their order. In the end entries go that no case asked for.

        Args:
            inputs: all else that decides what the work on a case comes to, its files by their SHA-256. JSON.
            work: results of cases of which nothing is kept, in their order.
            kept: what to keep of a result; None for nothing.
            again: the result that a kept value stands for.
        """
        if self._is_on:  # git does not see it then, in any study
            with _appearing(self._folder.parent / ".gitignore") as partial:
                partial.write_text("*\n")
        keys = [_digest([self._decided_by, inputs(case)]) for case in cases]
        taken = [self._take(key) for key in keys]
        done = iter(work([case for case, is_taken in zip(cases, taken, strict=True) if not is_taken]))
        for case, key, is_taken in zip(cases, keys, taken, strict=True):
            if is_taken:
                yield again(case, self._read(key).value)
                continue
            result = next(done)
            if (new := kept(case, result)) is not None:
                self._keep(key, new)
            yield result
        self._tidy()

    def _take(self, key: str) -> bool:
        """Whether there is an entry that is whole; its files are in the folder of outputs then.

        Such a file is a hard link to that of the memo, where the file system has them: who changes one
        changes both, and the next run takes neither.
        """
        if not self._is_on:
            return False
        try:
            entry = self._read(key)
        except (OSError, ValueError, KeyError, TypeError):
            return False
        if not all(_has(self._file(sha256), sha256) for sha256 in entry.files.values()):
            return False
        for path, sha256 in entry.files.items():
            (self._out / path).parent.mkdir(parents=True, exist_ok=True)
            _link(self._file(sha256), self._out / path)
        self._use(key, entry)
        return True

    def _keep(self, key: str, entry: Kept) -> None:
        if not self._is_on:
            return
        for path, sha256 in entry.files.items():
            with _appearing(self._file(sha256)) as partial:
                _link(self._out / path, partial)
        content = {"value": entry.value, "files": dict(entry.files)}
        with _appearing(self._result(key)) as partial:
            partial.write_text(json.dumps({"entry": content, "sha256": _digest(content)}, sort_keys=True))
        self._use(key, entry)

    def _tidy(self) -> None:
        """Takes away what this run did not use."""
        for path in [*self._folder.glob("results/*"), *self._folder.glob("files/*")]:
            if path not in self._used:
                path.unlink(missing_ok=True)

    def _read(self, key: str) -> Kept:
        """An entry.

        Raises:
            OSError, ValueError, KeyError, TypeError: it is not there, or not as it was written.
        """
        content = json.loads(self._result(key).read_bytes())
        if content["sha256"] != _digest(content["entry"]):
            raise ValueError(f"{key} was changed")
        return Kept(**content["entry"])

    def _use(self, key: str, entry: Kept) -> None:
        self._used |= {self._result(key), *map(self._file, entry.files.values())}

    def _result(self, key: str) -> Path:
        return self._folder / "results" / f"{key}.json"

    def _file(self, sha256: str) -> Path:
        return self._folder / "files" / sha256


def _digest(value: Any) -> str:
    """SHA-256 of JSON, with every digit of its numbers."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, allow_nan=False).encode()).hexdigest()


def _has(path: Path, sha256: str) -> bool:
    return path.is_file() and records.sha256(path) == sha256


def _link(source: Path, target: Path) -> None:
    """A further name for a file, or a copy where that cannot be had."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


@contextmanager
def _appearing(path: Path) -> Iterator[Path]:
    """A name beside a path, under which to write what then takes that path, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
