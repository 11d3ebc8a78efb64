"""What a run of a study left: its records and its pages, as they lie in the study's folder.

Called by the command `site`, in the folder of a study. Judges nothing but whether a file can be read.
"""

import hashlib
import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from radiotrace.errors import StageError
from radiotrace.pipeline import params

METRICS, TRAIN = "metrics/metrics.json", "build/train/train.json"
REPORT, EVIDENCE = "build/report", "evidence"
# By folder, the patterns of records; a pattern does not lead into what a run writes for other programs.
RECORDS = (
    "metrics/*.json",
    "build/**/*.json",
    "evidence/*.json",
    "design/*.yaml",
    "design/*.jsonl",
    "params.yaml",
    "verification/*.json",
    "signatures/*.json",
    "keys/*.json",
)
NO_RECORDS = ("build/site", "build/train/live")  # the site itself; what dvclive keeps for DVC
DEEPEST = 100  # containers in each other, of a record
TITLE = re.compile(r"<h1[^>]*>(.*?)</h1>", re.DOTALL)
TAG = re.compile(r"<[^>]*>")


@dataclass(frozen=True)
class Record:
    """A file of values.

    Attributes:
        path: in the study, such as metrics/metrics.json.
        value: of JSON; of YAML as JSON would have it; of a ledger its lines, as a list.
    """

    path: str
    value: Any
    sha256: str


@dataclass(frozen=True)
class Left:
    """What a run left.

    Attributes:
        records: path in the study -> Record, by path.
        report: path below the report's folder -> content: the report, its cases, and what they show.
        evidence: name of a page for people -> its text, HTML or Markdown.
    """

    records: dict[str, Record] = field(default_factory=dict)
    report: dict[str, bytes] = field(default_factory=dict)
    evidence: dict[str, str] = field(default_factory=dict)

    def value(self, path: str, *keys, default=None):
        """The value at a place of a record; the default where there is none."""
        value: Any = self.records[path].value if path in self.records else default
        for key in keys:
            try:
                value = value[key]
            except (LookupError, TypeError):
                return default
        return value

    @property
    def run_id(self) -> str:
        """Of the run: as the first of its records that there is says; "" where none does."""
        for path in (METRICS, TRAIN, "metrics/headline.json", "evidence/run.json"):
            run_id = self.value(path, "run_id")
            if isinstance(run_id, str):
                return run_id
        return ""

    @property
    def other_runs(self) -> dict[str, str]:
        """Record -> its run_id, where that is another one."""
        ids = {path: self.value(path, "run_id") for path in self.records if not path.startswith("design/")}
        return {path: run for path, run in ids.items() if isinstance(run, str) and run != self.run_id}


def read(folder: Path) -> Left:
    """What a run left in the folder of a study.

    Raises:
        StageError: there is nothing of a run, or files cannot be read: all of them.
    """
    if not any((folder / path).is_file() for path in (METRICS, TRAIN)):
        raise StageError(
            "there is no run to make a site of",
            [f"{path} is missing" for path in (METRICS, TRAIN)],
            "Run 'dvc repro', or 'dvc pull' for the submitted run.",
        )
    faults: list[str] = []
    left = Left()
    for pattern in RECORDS:
        for path in sorted(folder.glob(pattern)):
            name = path.relative_to(folder).as_posix()
            if path.is_file() and not name.startswith(tuple(f"{place}/" for place in NO_RECORDS)):
                record = _record(path, name, faults)
                if record is not None:
                    left.records[name] = record
    for path in sorted((folder / REPORT).rglob("*")):
        if path.is_file() and path.suffix != ".json":
            left.report[path.relative_to(folder / REPORT).as_posix()] = path.read_bytes()
    for path in sorted((folder / EVIDENCE).glob("*")):
        has_twin = path.suffix == ".md" and path.with_suffix(".html").is_file()
        if path.is_file() and path.suffix in (".html", ".md") and not has_twin:
            left.evidence[path.name] = _text(path.read_bytes(), f"{EVIDENCE}/{path.name}", faults)
    for name, content in left.report.items():
        if name.endswith(".html"):
            _text(content, f"{REPORT}/{name}", faults)
    if faults:
        raise StageError(
            f"{len(faults)} {'file' if len(faults) == 1 else 'files'} of the run cannot be read",
            faults,
            "Make them again with 'dvc repro', or bring them with 'dvc checkout' and 'git checkout'.",
        )
    return left


def title(page: str, otherwise: str) -> str:
    """The text of a page's first heading."""
    match = TITLE.search(page)
    return " ".join(html.unescape(TAG.sub("", match[1])).split()) if match else otherwise


def _record(path: Path, name: str, faults: list[str]) -> Record | None:
    content = path.read_bytes()
    try:
        value = _parsed(path, content)
    except RecursionError:
        faults.append(f"{name}: more than {DEEPEST} containers lie in each other")
        return None
    except StageError as error:
        faults.append(f"{name}: {' '.join((error.headline, *error.findings)).splitlines()[0]}")
        return None
    except ValueError as error:
        faults.append(f"{name}: {str(error).splitlines()[0]}")
        return None
    return Record(name, value, hashlib.sha256(content).hexdigest())


def _parsed(path: Path, content: bytes) -> Any:
    if path.suffix == ".yaml":
        return _plain(params.load_yaml(path))
    text = content.decode("utf-8")
    if path.suffix == ".jsonl":
        return [_plain(json.loads(line)) for line in text.splitlines() if line.strip()]
    return _plain(json.loads(text))


def _plain(value: Any, depth: int = 0) -> Any:
    """As JSON has it: keys are texts, and what JSON has no word for is a text."""
    if depth > DEEPEST:
        raise RecursionError
    if isinstance(value, Mapping):
        return {str(key): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, depth + 1) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)


def _text(content: bytes, name: str, faults: list[str]) -> str:
    """The text of a page, which has to have a body where it is HTML."""
    try:
        text = content.decode("utf-8")
    except ValueError:
        faults.append(f"{name}: is not UTF-8")
        return ""
    if name.endswith(".html") and not re.search(r"<body\b[^>]*>.*</body>", text, re.DOTALL | re.IGNORECASE):
        faults.append(f"{name}: found no <body>, expected a whole page of HTML")
    return text
