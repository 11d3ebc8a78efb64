"""History: what git knows of the ledgers and the criteria, and what nobody can therefore say otherwise.

Paths are those of the repository: git keeps the files of all studies side by side, and a study's own are
found by Study.in_repository.

Every commit that HEAD reaches counts, along all parents of merges: 'git log FILE' leaves out a side whose
file the merge did not take, and so would 'rev-list -- FILE'. What lies before the first commit nobody can
know; then a check says so instead of holding.
"""

import os
import posixpath
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.evidence.design import reviews
from radiotrace.evidence.verify.levels import Check
from radiotrace.pipeline import params
from radiotrace.pipeline.study import NAME, PATHS, STUDIES, Study

STUDY, SOFTWARE = "design", "software/design"  # design controls of a study, and of the software
OPENINGS, REQUIREMENTS = PATHS["openings"], f"{STUDY}/requirements.yaml"
# Of the repository. The first is where the file is. Under the other, too, it was locked: who moves a file
# changes no hash in it.
WHEELS = (f"{SOFTWARE}/wheels.json", f"{STUDY}/wheels.json")
ACCEPTANCE = "evidence/acceptance.json"
REVIEWS, REVIEWS_OF_SOFTWARE = PATHS["reviews"], f"{SOFTWARE}/reviews.jsonl"
FEW = 3  # faults of a ledger that are listed one by one
GREW = "ledgers only grew, and criteria stand as before the test part was opened"
RAW, UNCHANGED = "data.sha256", "no raw file changed under its name since the test part was first opened"
LOCKED = "no file of a package changed under its name"


class History:
    """All commits that HEAD reaches, the oldest first.

    Args:
        root: of the repository, or a folder in it, to which paths are relative.

    Attributes:
        missing: why there is no history to look at; None where there is one.
    """

    def __init__(self, root):
        self.root = Path(root)
        shallow = _git(root, "rev-parse", "--is-shallow-repository").strip()
        reasons = {"false": None, "true": "the history is not here: 'git fetch --unshallow'"}
        self.missing = reasons.get(shallow, "git knows no history of this folder")
        listed = ""
        if self.missing is None:
            listed = _git(root, "rev-list", "--topo-order", "--reverse", "--parents", "HEAD")
        self.parents = {words[0]: words[1:] for words in map(str.split, listed.splitlines())}
        if self.missing is None and not self.parents:
            self.missing = "nothing was committed yet"
        if self.missing is None and (lacking := self._lacking()):
            self.missing = (
                f"{lacking} objects of the history are missing: clone it anew, whole (without --filter)"
            )

    @cached_property
    def _objects(self) -> list[str]:
        """All objects that HEAD reaches, 'id path', or '?id' of those that are not there."""
        return _git(self.root, "rev-list", "--objects", "--missing=print", "HEAD").splitlines()

    def _lacking(self) -> int:
        """How many objects that commits name are not there: git would say of their files that they never
        were."""
        return sum(line.startswith("?") for line in self._objects) if self._objects else 1

    def contents(self, fits) -> list[tuple[str, str]]:
        """Path and text of every content that ever stood under a path that fits, wherever it lay.

        Args:
            fits: path, relative to the root where it lies below, -> whether it does.
        """
        named = (line.partition(" ") for line in self._objects)
        below = ((blob, path.removeprefix(self._prefix)) for blob, _, path in named if path)
        return [(path, self.text(blob)) for blob, path in below if fits(path)]

    @cached_property
    def main_line(self) -> set[str]:
        """The commits along first parents."""
        return set(_git(self.root, "rev-list", "--first-parent", "HEAD").split())

    @cached_property
    def _prefix(self) -> str:
        return _git(self.root, "rev-parse", "--show-prefix").strip()

    def elsewhere(self) -> list[str]:
        """Commits of other branches and tags of this clone, which HEAD does not reach."""
        return _git(self.root, "rev-list", "--all", "--not", "HEAD").split()

    def versions(self, path: str, commits=None) -> dict[str, str | None]:
        """What a file was in each commit: the id of its content; None where there was no such file.

        Args:
            path: relative to the root.
            commits: default: all that HEAD reaches.
        """
        wanted = list(self.parents) if commits is None else commits
        listed = _git(
            self.root,
            "cat-file",
            "--batch-check=%(objectname) %(objecttype)",
            given="".join(f"{commit}:{self._prefix}{path}\n" for commit in wanted),
        ).splitlines()
        rows = zip(wanted, map(str.split, listed), strict=True)
        return {commit: row[0] if row[1:] == ["blob"] else None for commit, row in rows}

    def states(self, path: str, commits=None) -> list[tuple[str, str]]:
        """Each content that a file ever had, once: the first commit that has it, and the text; the oldest
        first."""
        first = {}
        for commit, blob in self.versions(path, commits).items():
            if blob is not None:
                first.setdefault(blob, commit)
        return [(commit, self.text(blob)) for blob, commit in first.items()]

    def text(self, blob: str) -> str:
        """A content."""
        return _git(self.root, "cat-file", "blob", blob)


@dataclass(frozen=True)
class State:
    """A ledger as a commit has it."""

    commit: str
    lines: tuple[str, ...]
    is_main_line: bool


def check(study: Study) -> Check:
    """Level 3: in git, all ledgers only grew, and each criterion stands as when the test part was first
    opened.

    Where the first commit holds lines of a ledger already, nobody can say whether others stood before them:
    then nothing is said to hold.
    """
    root = study.repository
    history = History(root)
    if history.missing:
        return Check(3, GREW, skipped=[history.missing], looked=False)
    result = Check(3, GREW)
    openings, reviews_of_study = (study.in_repository(name) for name in (OPENINGS, REVIEWS))
    for ledger in (openings, reviews_of_study, REVIEWS_OF_SOFTWARE):
        now = _lines(root / ledger)
        states = _states(history, ledger)
        result.faults += _together(ledger, {state.commit: _lost(ledger, state, now) for state in states})
        if unknown := _begins_with_lines(history, ledger, states):
            result.looked = False
            result.skipped.append(unknown)
        if away := _elsewhere(history, ledger, now):
            result.skipped.append(away)
    for commit in _first_openings(history, openings):
        result.faults += _criteria(study, commit)
    reviewed, of_software = _lines(root / reviews_of_study), _lines(root / REVIEWS_OF_SOFTWARE)
    result.faults += _unlisted(history, study, _lines(root / openings))
    result.faults += _undone(reviews_of_study, reviewed)
    result.faults += _left_behind(reviews_of_study, reviewed, of_software)
    result.warned += _shown_elsewhere(history, study)
    return result


def _left_behind(ledger: str, reviewed: list[str], of_software: list[str]) -> list[str]:
    """Reviews of the software's items that only the study's ledger has: once the software's own ledger was
    begun, it has all of them, so that nobody begins it with those that suit.

    Args:
        ledger: path of the study's.
        reviewed, of_software: lines of the study's ledger and of the software's.
    """
    known, faults = set(of_software), []
    items = {row.get("item") for row in _objects(of_software)}
    for number, line in enumerate(reviewed, 1):
        if line in known:
            continue
        for row in _objects([line]):
            if row.get("item") in items:
                faults.append(
                    f"{REVIEWS_OF_SOFTWARE}: lacks line {number} of {ledger}, a review of {row['item']}: "
                    "copy it there"
                )
    return faults


def _objects(lines: list[str]) -> list[dict]:
    """The JSON objects among lines."""
    return [row for row in map(_parsed, lines) if isinstance(row, dict)]


def _unlisted(history: History, study: Study, now: list[str]) -> list[str]:
    """Looks at the test part that git knows of and the ledger does not: lines of a ledger under another
    name, openings that an earlier bundle listed, and runs whose metrics were committed.

    What lies in another study is of that one, if its ledger ever had it. Else it is missed here, so that
    nobody hides a look in a folder that no study proves.

    Args:
        now: lines of the study's ledger.
    """
    ledger, faults = study.in_repository(OPENINGS), []
    known_by_place = {study.place: _Known.by(now)}
    for path, text in history.contents(_may_tell):
        owner = place_of(path)
        if owner not in known_by_place:
            known_by_place[owner] = known_by_place[study.place] | _Known.by(
                _ever(history, f"{owner}/{OPENINGS}")
            )
        for row in _objects(text.splitlines() if path.endswith(".jsonl") else [text]):
            faults += [f"{ledger}: {fault}" for fault in _missed(path, row, known_by_place[owner])]
    return list(dict.fromkeys(faults))


@dataclass(frozen=True)
class _Known:
    """What lines of ledgers say: ids of runs, and keys of openings."""

    runs: frozenset[str]
    keys: frozenset[tuple]

    @classmethod
    def by(cls, lines: list[str]) -> "_Known":
        """What lines say; those that are no JSON objects say nothing."""
        rows = _objects(lines)
        return cls(frozenset(str(row.get("run_id")) for row in rows), frozenset(map(_key, rows)))

    def __or__(self, other: "_Known") -> "_Known":
        return _Known(self.runs | other.runs, self.keys | other.keys)


def _missed(path: str, row: dict, known: _Known) -> list[str]:
    """The looks of which a row of a file tells and no ledger does."""
    listed = [row] if row.keys() >= OPENED else []
    if isinstance(row.get("openings"), list):
        listed = row["openings"]
    faults = [
        f"lacks an opening of run {str(opening.get('run_id'))[:12]} that {path} had in an earlier commit"
        for opening in listed
        if isinstance(opening, dict) and _key(opening) not in known.keys
    ]
    if row.get("part") == "test" and str(row.get("run_id")) not in known.runs:
        faults.append(f"knows nothing of run {str(row.get('run_id'))[:12]}, whose {path} was committed")
    return faults


def place_of(path: str) -> str:
    """The place of the study in whose folder a path of the repository lies; "." of the first one."""
    parts = path.split("/")
    is_further = len(parts) > 2 and parts[0] == STUDIES and NAME.fullmatch(parts[1])
    return f"{STUDIES}/{parts[1]}" if is_further else "."


def _ever(history: History, path: str) -> list[str]:
    """Every line that a file ever had."""
    texts = (text for _, text in history.states(posixpath.normpath(path)))
    return list(dict.fromkeys(line for text in texts for line in text.splitlines()))


def _shown_elsewhere(history: History, study: Study) -> list[str]:
    """Other studies that have raw files of this one, and whose test part was opened: what was seen there may
    have decided what is done here, and this study's ledger has no line of it.

    To learn something else from the same images is no fault; nor is a study that took another's place.
    """
    own = _images(_whole(study.repository / study.in_repository(RAW)))
    places = {place_of(path) for path, _ in history.contents(lambda path: path.endswith(RAW))}
    warned = []
    for place in sorted(places - {study.place}):
        manifests = history.states(posixpath.normpath(f"{place}/{RAW}"))
        shared = own & frozenset().union(*(_images(text) for _, text in manifests))
        looks = len(_Known.by(_ever(history, f"{place}/{OPENINGS}")).runs)
        if shared and looks:
            name = "the first study" if place == "." else place
            warned.append(
                f"{len(shared)} of {len(own)} raw files are also those of {name}, whose test part was shown "
                f"to {looks} runs: choices here may rest on what was seen there"
            )
    return warned


def _images(text: str) -> frozenset[str]:
    """SHA-256 of the files in folders of a data set, of its manifest: images and label maps. What stands
    beside them, such as a licence, may be the same in many sets."""
    return frozenset(digest for path, digest in _sums(text).items() if "/" in path)


OPENED = {"run_id", "stage", "cases_sha256", "metrics_sha256"}  # what an opening has at least
TOLD = ("openings.json", "metrics.json", "cases.json", "robustness.json", "explain.json")


def _may_tell(path: str) -> bool:
    """Whether a file may say that the test part was opened. Examples of records in tests say so of no run."""
    return (
        not path.startswith("tests/")
        and path != posixpath.normpath(f"{place_of(path)}/{OPENINGS}")
        and (path.endswith(".jsonl") or path.rpartition("/")[2] in TOLD)
    )


def _key(opening: dict) -> tuple:
    return tuple(str(opening.get(name)) for name in sorted(OPENED))


def _parsed(text: str):
    try:
        return records.parse(text)
    except ValueError:
        return None


def _undone(ledger: str, lines: list[str]) -> list[str]:
    """Reviews of a criterion that say that no opening stood before them, below one that says that some did:
    lines are only ever added.

    A merge may put a branch's reviews below others. One of a criterion must then be reviewed again: nobody
    can see that it was early.
    """
    most, faults = 0, []
    for number, line in enumerate(lines, 1):
        row = _parsed(line)
        if not isinstance(row, dict):
            continue
        before = row.get("n_openings")
        if before == 0 < most and row.get("criterion_sha256"):
            faults.append(
                f"{ledger}: line {number}, of {row.get('item')}, says that no opening stood "
                f"before it; a line above says {most}"
            )
        most = max(most, before) if isinstance(before, int) else most
    return faults


def _states(history: History, ledger: str) -> list[State]:
    """The ledger in each commit that changed it against any of its parents, and where it is on the main
    line."""
    versions, states = history.versions(ledger), []
    blobs = {blob for blob in versions.values() if blob is not None}
    texts = {blob: tuple(history.text(blob).splitlines()) for blob in blobs}
    for commit, blob in versions.items():
        before = [versions.get(parent) for parent in history.parents[commit]] or [None]
        if blob is not None and any(earlier != blob for earlier in before):
            states.append(State(commit, texts[blob], commit in history.main_line))
    return states


def _begins_with_lines(history: History, ledger: str, states: list[State]) -> str | None:
    roots = {commit for commit, parents in history.parents.items() if not parents}
    for state in states:
        if state.commit in roots and state.lines:
            return (
                f"cannot say: {ledger} has {len(state.lines)} lines in the first commit of this history, "
                f"{state.commit[:12]}; whether lines "
                "stood before that is known only to who has an older clone or an earlier signed release"
            )
    return None


def _elsewhere(history: History, ledger: str, now: list[str]) -> str | None:
    more = {
        line: commit
        for commit, text in history.states(ledger, history.elsewhere())
        for line in text.splitlines()
        if line not in now
    }
    if not more:
        return None
    commit = next(iter(more.values()))[:12]
    return (
        f"{ledger}: {len(more)} lines stand in other branches of this clone alone, such as in commit {commit}"
    )


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8", "replace").splitlines() if path.is_file() else []


def _lost(ledger: str, state: State, now: list[str]) -> list[str]:
    """What a ledger lacks of an earlier state: lines, or their order, which says what came first.

    On the main line the earlier state is the beginning of what stands now. That of a branch that was merged
    need not be.
    """
    kept = set(now)
    if gone := [line for line in state.lines if line not in kept]:
        return [f"{ledger}: lacks a line that commit {state.commit[:12]} has: {line[:80]}" for line in gone]
    rest = iter(now)
    begins = tuple(now[: len(state.lines)]) == state.lines
    if (state.is_main_line and not begins) or not all(line in rest for line in state.lines):
        return [
            f"{ledger}: its lines are in another order than in commit {state.commit[:12]}, or some were "
            f"put between them"
        ]
    return []


def _together(ledger: str, lost: dict[str, list[str]]) -> list[str]:
    """What a ledger lacks: line by line where these are few, else once, with what to do.

    Args:
        lost: commit -> its faults.
    """
    faults = [fault for of_commit in lost.values() for fault in of_commit]
    if len(faults) <= FEW:
        return faults
    # A ledger grows, so that the commit which has most of the lost lines has them all.
    lines = max(len(of_commit) for of_commit in lost.values())
    return [
        f"{ledger}: lacks {lines} lines that earlier commits have. Restore it: 'git checkout HEAD -- "
        f"{ledger}'. Other data have a ledger of their own, in a study of their own: "
        "'python -m radiotrace new'",
        faults[0],
    ]


def _first_openings(history: History, ledger: str) -> list[str]:
    """The commits in which the ledger of the test part has lines and had none in any parent."""
    empty = {None, _git(history.root, "hash-object", "--stdin").strip()}
    versions, commits = history.versions(ledger), []
    for commit, blob in versions.items():
        of_parents = {versions.get(parent) for parent in history.parents[commit]}
        if blob not in empty and of_parents <= empty:
            commits.append(commit)
    return commits


def _criteria(study: Study, commit: str) -> list[str]:
    """Where a criterion is not what it was in a commit, is there no more, or came later and is not said to
    have."""
    root, path = study.repository, study.in_repository(REQUIREMENTS)
    then = _digests(_git(root, "cat-file", "blob", f"{commit}:./{path}"))
    now = _digests(_whole(root / path))
    if then is None or now is None:
        return [f"{path}: cannot be read {'as it stands now' if now is None else f'in commit {commit[:12]}'}"]
    faults = [
        f"{name}: its criterion is not that of commit {commit[:12]}, when the test part was first opened"
        for name, digest in sorted(then.items())
        if now.get(name) != digest
    ]
    late, open_about = now.keys() - then.keys(), _said_to_be_late(study.located(ACCEPTANCE))
    return faults + [
        f"{name}: its criterion came after commit {commit[:12]}, when the test part was first "
        f"opened, and {ACCEPTANCE} does not say so"
        for name in sorted(late - open_about)
    ]


def _said_to_be_late(acceptance: Path) -> set[str]:
    """Requirements of which the verdict says that their criterion came late, so that they cannot be met on
    this test part."""
    try:
        results = records.read(acceptance, "acceptance")["results"]
    except StageError:
        return set()
    return {row["requirement"] for row in results if not row["prespecified"] and row["verdict"] != "met"}


def _whole(path: Path) -> str:
    return path.read_text("utf-8", "surrogateescape") if path.is_file() else ""


def _digests(text: str) -> dict[str, str] | None:
    """Digest of each requirement's criterion, by id; those without one are left out.

    None where the text is no list of requirements.
    """
    try:
        digests = {row["id"]: reviews.criterion_sha256(row) for row in loaded(text)["requirements"]}
    except (StageError, LookupError, TypeError, ValueError):
        return None
    return {name: digest for name, digest in digests.items() if digest}


def loaded(text: str):
    """The content of a YAML file that git has.

    Raises:
        StageError: it is none.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "content.yaml"
        path.write_text(text, "utf-8", "surrogateescape")
        return params.load_yaml(path)


def wheels(study: Study) -> Check:
    """Level 3: a file of a package, once locked under its name, never had another SHA-256.

    Only a package index knows what the hashes of wheels.json should be. Which of them were changed later, git
    knows, also where the file had another path.
    """
    root = study.repository
    history = History(root)
    if history.missing:
        return Check(3, LOCKED, skipped=[history.missing], looked=False)
    now, result = _hashes(_whole(root / WHEELS[0])), Check(3, LOCKED)
    for commit, text in (state for path in WHEELS for state in history.states(path)):
        then = _hashes(text)
        result.faults += [
            f"{WHEELS[0]}: {file} had the SHA-256 {then[file][:12]}… in commit {commit[:12]}, now "
            f"{now[file][:12]}…"
            for file in sorted(then.keys() & now.keys())
            if then[file] != now[file]
        ]
    result.faults = list(dict.fromkeys(result.faults))
    return result


def _hashes(text: str) -> dict[str, str]:
    """File of a package -> its SHA-256; {} where the text says nothing of the kind."""
    try:
        record = records.parse(text)
    except ValueError:
        return {}
    if records.faults(record, "wheels"):
        return {}
    return {row["file"]: row["sha256"] for row in record["wheels"].values()}


def raw_files(study: Study) -> Check:
    """Level 3: which raw files, label maps among them, have another SHA-256 than when a model was first shown
    the test part.

    Who puts predictions in the places of references gets any figure, and every record follows. A correction
    looks alike, so this warns.
    """
    root, manifest = study.repository, study.in_repository(RAW)
    history = History(root)
    if history.missing:
        return Check(3, UNCHANGED, skipped=[history.missing], looked=False)
    commits, opened = list(history.parents), _first_openings(history, study.in_repository(OPENINGS))
    now, result = _sums(_whole(root / manifest)), Check(3, UNCHANGED)
    since = commits[min(map(commits.index, opened)) :] if opened else []
    changed: dict[str, str] = {}
    for commit, text in history.states(manifest, since):
        for path, digest in _sums(text).items():
            if now.get(path, digest) != digest:
                changed.setdefault(path, commit)
    result.warned = [
        f"{manifest}: {path} was another file in commit {commit[:12]}, after the test part was first opened"
        for path, commit in sorted(changed.items())
    ]
    return result


def _sums(text: str) -> dict[str, str]:
    """Path -> SHA-256, of lines as sha256sum writes them."""
    sums = {}
    for line in text.splitlines():
        digest, _, path = line.partition("  ")
        sums[path] = digest
    return sums


# Git would show commits and parents in the places of others where a clone has replacements or grafts. Where
# its settings name a remote that promised the missing objects, git would ask there, by any program that they
# name.
AS_IT_IS = {
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": os.devnull,
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",
}


def _git(root, *words, given: str = "") -> str:
    """What git prints; nothing where it fails.

    Only plumbing, which starts no program that a repository names in its settings.
    """
    plain = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", *words],
            cwd=root,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="surrogateescape",
            check=False,
            env=plain | AS_IT_IS,
            input=given,
        )
    except OSError:
        return ""
    return done.stdout if done.returncode == 0 else ""
