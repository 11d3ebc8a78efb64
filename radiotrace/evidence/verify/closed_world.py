"""The closed world of a clone: every file in it is one that the bundle vouches for, or one of a short list
that cannot matter.

What nobody lists may be run all the same: a module in the root, compiled code, a link, a second dvc.yaml, a
setting of git, DVC, pytest or make. Files are only named and read here. Called by the command verify, and
again on the clone that level 6 makes, before anything of it runs.
"""

import configparser
import hashlib
import os
import posixpath
import re
import stat
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.evidence.trace import pin_files, tests
from radiotrace.evidence.verify import workflow
from radiotrace.evidence.verify.levels import Check, Clone
from radiotrace.pipeline import isolated, params
from radiotrace.pipeline.study import NAME, PATHS, STUDIES, Study

# What runs leave behind. Nothing of it may be in git: a checkpoint or a memo there would be taken for one's
# own, and forged ones are.
STATE = (
    ".benchmarks",
    ".checkpoints",
    ".dvc/cache",
    ".dvc/tmp",
    ".dvc/config.local",
    ".memo",
    ".pytest_cache",
    ".ruff_cache",
    ".venv",
    "build",
    "data",
    "dvc_plots",
    "execution",
)
# What makes a folder a repository of its own, for git or DVC, or an environment: with settings that start
# programs, and never of a study.
OF_REPOSITORIES = (".dvc", ".git", ".venv")
# Not in the bundle, and why it need not be. Everything else must be. Of each study:
LISTED = {
    r"dvc\.lock|params\.yaml|metrics/gates\.json": "signed beside the bundle; level 3 holds lock, parameters "
    "and files against each other",
    r"signatures/([a-z]+\.(oms"
    r"|dsse)\.json|reviews/[^/]+\.dsse\.json)|keys/[0-9a-f]{16}\.(pub|json)": "level 2 reads all of them",
    r"(data|imported)\.dvc|members/[^/]+\.dvc|data\.sha256": "they name data by hash, and are read below",
    r"members/[A-Za-z0-9_-]+\.(md|png|svg)|members/\.gitignore": "text; no program reads it",
}
# Of the repository.
LISTED_ONCE = {
    r"datastore/files/md5/[0-9a-f]{2}/[0-9a-f]{30}(\.dir)?": "each is named by its MD5, and what is pulled "
    "from there has a SHA-256 elsewhere",
    r"CHANGELOG\.md|CITATION\.cff|CONTRIBUTING\.md|LICENSE|SECURITY\.md|STYLE\.md"
    r"|\.github/pull_request_template\.md|docs/([a-z0-9_-]+/)*[A-Za-z0-9_-]+\.(md|png|svg)": "text; "
    "no program reads it",
    r"requirements/[a-z]+\.txt": "the bundle has those of the pipeline; the lines of all are read below",
    r"benchmarks/([a-z0-9_]+/)?[A-Za-z0-9_]+\.(csv|md|py)": "comparisons beside the pipeline: no stage "
    "imports them, no record is theirs",
    r"notebooks/[a-z_]+\.(py|ipynb)": "for people to read and run: no stage imports them",
}
# Where code and settings may lie at all: a bundle that was made again vouches for whatever lies in design/ or
# software/, too.
CODE_PLACES = re.compile(
    r"(radiotrace|stages|tests)/([a-z_0-9]+/)*[a-z_0-9]+\.py|(benchmarks|notebooks)/[a-z_0-9]+\.py"
)
SETTINGS_PLACES = re.compile(
    r"tests/conftest\.py"
    r"|Makefile|pyproject\.toml|\.gitattributes|\.dvcignore|dvc\.yaml|dvc\.lock|(data|imported)\.dvc|"
    r"members/[A-Za-z0-9_-]+\.dvc"
)
# Settings that a further study has.
STUDY_PLACES = re.compile(r"dvc\.(yaml|lock)|(data|imported)\.dvc|members/[A-Za-z0-9_-]+\.dvc")
IN_STUDY = re.compile(rf"{STUDIES}/{NAME.pattern}/")
# Of the root, what is of the first study.
OF_FIRST = frozenset(
    {
        *(path.split("/")[0] for path in PATHS.values()),
        "data.dvc",
        "imported.dvc",
        "keys",
        "signatures",
        "build",
        "execution",
    }
)
CODE = (".py", ".pyc", ".pyo", ".pyd", ".so", ".pth", ".egg-link")
# What a program that people start in a clone looks for by name.
SETTINGS = re.compile(
    r"(.*/)?(conftest\.py"
    r"|\.?pytest\.(ini"
    r"|toml)|tox\.ini|setup\.(cfg|py)|\.?ruff\.toml|\.env(rc)?|\.python-version|\.coveragerc|\.gitmodules|"
    r"\.gitattributes"
    r"|\.dvcignore"
    r"|dvc\.yaml"
    r"|dvc\.lock|[^/]+\.dvc|GNUmakefile|makefile|Makefile|pyproject\.toml|(site|user)customize\.py)"
)
# Only what no person wrote may be left out of a diff: else a change of code is one that no reviewer is shown.
ATTRIBUTES = re.compile(
    r"(#.*|\* text=auto eol=lf|(/datastore/\*\*|/metrics/\*\.svg|/evidence/\*\*)( "
    r"(-text|-diff|-merge|linguist-generated))+)?"
)
IGNORED = (
    "/datastore",
    "/.checkpoints",
    "/studies/*/.checkpoints",
    "/.memo",
    "/studies/*/.memo",
    "/execution",
    "/studies/*/execution",
    "__pycache__",
    "*.pyc",
    "/.venv",
    "/.benchmarks",
    "",
)
PIN = re.compile(
    r"(#.*|-r (requirements/)?[a-z]+\.txt|[A-Za-z0-9._-]+(\[[a-z,]+\])?==[A-Za-z0-9.!+_-]+( *; "
    r"*[^#]+)?( *#.*)?)?"
)
# Of a list of names whose versions the files of pins say.
NAME_OF_PIN = re.compile(r"(#.*|-c [a-z]+\.txt|[A-Za-z0-9._-]+)?")
DVC = {
    "core": {"analytics": "false", "check_update": "false", "autostage": "false", "remote": None},
    "plots": {"html_template": "plots.html"},
    "studio": {"offline": "true"},
}
BUILD = (("requires", ["setuptools"]), ("build-backend", "setuptools.build_meta"))
STORE, URL = "datastore", "../datastore"
BELIEVED = (
    "Makefile, .ci/ and .github/: verify starts none of them",
    "README.md: it has its SHA-256, but its words and figures are held against no record; 'make "
    "test' does that",
    "benchmarks/, docs/, notebooks/, CHANGELOG.md, CITATION.cff, CONTRIBUTING.md, SECURITY.md, STYLE.md, "
    "LICENSE: no part of the proof",
    "tests/, software/verification/ and verification/: what tests do, and what they and seeded faults came "
    "to; 'make verification' runs them again",
)


@dataclass(frozen=True)
class Files:
    """The files of a clone: path -> whether it is a symbolic link, of what lies there; what git tracks;
    what is wrong with that."""

    present: dict[str, bool]
    tracked: frozenset[str] | None
    faults: tuple[str, ...]


def check(clone: Clone) -> Check:
    """Level 3: every file is listed, and no setting says anything that ours do not.

    Of other studies in the clone, that nothing in them would run: what they say is theirs to prove.
    """
    study = clone.study
    root, files = study.repository, listing(study.repository)
    claim = "every file of the clone is listed, and none that is not could run"
    try:
        vouched = _vouched(clone)
    except StageError as error:
        return Check(3, claim, [error.headline, *error.findings, *files.faults])
    names = sorted(files.present.keys() | (files.tracked or frozenset()))
    delivered = [name for name in names if files.tracked is None or name in files.tracked]
    inside = study.in_repository(clone.evidence.name)
    other_studies = sorted(_others(names, study))
    known, faults = {None, ".", study.place, *other_studies}, []
    for name in names:
        owner = owner_of(name, study)
        of_file = []
        if not name.startswith(f"{inside}/"):
            of_file = _faults(name, files, vouched, name in delivered, owner in other_studies)
        if not of_file and owner not in known and name in delivered and not _is_state(name):
            of_file = [f"{name}: of no study, since {owner}/ has no dvc.yaml"]
        faults += of_file
    checked = Check(
        3,
        claim,
        [
            *files.faults,
            *faults,
            *_names(delivered),
            *_settings(root),
            *_locks(root),
            *_stored(root),
            *(fault for place in other_studies for fault in _run_by(root, place)),
        ],
        believed=list(BELIEVED),
    )
    if files.tracked is None:
        checked.skipped.append(
            "git cannot tell what is tracked here: every file counts as delivered, but for what runs leave "
            f"behind, which was not looked at: {', '.join(STATE)}"
        )
    if other_studies:
        checked.skipped.append(
            f"other studies are proved by themselves: {', '.join(other_studies)} (verify --study)"
        )
    if (root / ".dvc/config.local").exists():
        checked.skipped.append(
            ".dvc/config.local: settings of whoever made this folder; take it away where that was not you"
        )
    checked.believed += _remotes(root)
    return checked


def listing(root: Path) -> Files:
    """Every file below a folder but those of STATE, compiled code that Python put there, and git's own."""
    present: dict[str, bool] = {}
    _walk(root, "", present)
    # an index may leave out what a clone would bring
    rows = [*_git(root, "ls-files", "-s", "-z"), *_git(root, "ls-tree", "-r", "-z", "HEAD")]
    if not rows or not (root / ".git").exists():  # else it may be the repository around it
        return Files(present, None, ())
    kinds = {"120000": "a symbolic link", "160000": "a submodule"}
    faults = sorted(
        {f"{name}: git has {kinds[mode[:6]]}, expected a file" for mode, _, name in rows if mode[:6] in kinds}
    )
    return Files(present, frozenset(name for _, _, name in rows), tuple(faults))


def _others(names: list[str], study: Study) -> set[str]:
    """The places of further studies, beside the one that is verified. A folder without dvc.yaml is none."""
    known = set(names)
    places = {owner_of(name, study) for name in names} - {study.place}
    return {place for place in places if place and posixpath.normpath(f"{place}/dvc.yaml") in known}


def _run_by(root: Path, place: str) -> list[str]:
    """Where another study's dvc.yaml, which 'dvc repro --all-pipelines' would run, says what the code does
    not."""
    faults = workflow.runs_otherwise(Study(root, place))
    return faults if place == "." else [f"{place}/{fault}" for fault in faults]


def _git(root: Path, *words: str) -> list[tuple[str, str, str]]:
    """Rows of what git lists, as mode, tab and name; [] where it fails."""
    command = ["git", "-c", "core.fsmonitor=false", *words]
    try:
        done = subprocess.run(
            command,
            cwd=root,
            capture_output=True,
            check=False,
            env=isolated.environment(GIT_NO_REPLACE_OBJECTS="1"),
        )
    except OSError:
        return []
    if done.returncode != 0:
        return []
    return [row.partition("\t") for row in os.fsdecode(done.stdout).split("\0") if row]


def _walk(root: Path, below: str, present: dict[str, bool]) -> None:
    with os.scandir(root / below) as entries:
        for entry in entries:
            name = f"{below}{entry.name}"
            if name == ".git" or _is_state(name) or entry.name == "__pycache__":
                continue
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                _walk(root, f"{name}/", present)
            else:
                present[name] = stat.S_ISLNK(mode)


def within(name: str) -> str:
    """A path of the repository, as the study in which it lies sees it; of the root, as it is."""
    return IN_STUDY.sub("", name)


def _is_state(name: str) -> bool:
    """Whether runs leave it behind: a file or folder of STATE, or in one."""
    inner = within(name)
    if inner != name and inner.split("/")[0] in OF_REPOSITORIES:
        return False
    return any(inner == state or inner.startswith(f"{state}/") for state in STATE)


def owner_of(name: str, study: Study) -> str | None:
    """The place of the study whose file it is; None for what all studies share.

    Args:
        study: that is verified. Where it is the first one, all of the root counts as its own.
    """
    if match := IN_STUDY.match(name):
        return match[0].rstrip("/")
    if study.place == ".":
        return "."
    return "." if name.split("/")[0] in OF_FIRST else None


def _vouched(clone: Clone) -> frozenset[str]:
    """What the bundle lists with a SHA-256, which other checks of level 3 compare: of the manifest, and
    the code and tests."""
    manifest, listed = (records.read(clone.evidence / f"{name}.json", name) for name in ("manifest", "code"))
    tops = (*tests.CODE, *tests.TESTS)
    folders = tuple(f"{top}/" for top in tops)
    code = {path for path in listed["files"] if path in tops or path.startswith(folders)}
    outside = [row["path"] for row in manifest["files"] if not row["in_bundle"]]
    return frozenset({clone.study.in_repository(path) for path in outside} | code)


def _faults(
    name: str, files: Files, vouched: frozenset[str], is_delivered: bool, is_of_another: bool
) -> list[str]:
    """What is wrong with one file; [] where it is listed, or is the reader's own and nothing would run it.

    Args:
        is_of_another: whether it is a file of another study, for which this bundle does not vouch.
    """
    inner = within(name)
    if inner != name and inner.split("/")[0] in OF_REPOSITORIES:
        return [f"{name}: of a repository in a study: git, DVC or Python would take its settings"]
    if _is_state(name):
        return [f"{name}: tracked by git, though it is of what runs leave behind"] if is_delivered else []
    if files.present.get(name):
        return [f"{name}: found a symbolic link, expected a file"]
    if "__pycache__" in name.split("/"):  # of git alone: the walk leaves it out, and nothing here reads it
        return [f"{name}: compiled code is tracked by git"]
    kind, places = "", CODE_PLACES  # of no kind: wherever it lies
    if SETTINGS.fullmatch(name):
        kind, places = "settings", SETTINGS_PLACES
    elif name.endswith(CODE):
        kind = "a module"
    is_placed = not kind or places.fullmatch(name) or (inner != name and STUDY_PLACES.fullmatch(inner))
    if not is_placed:
        return [f"{name}: {kind} in a place where none belongs"]
    if inner != name and inner == ".gitignore":  # what git leaves out of a study
        return []
    is_listed = any(re.fullmatch(pattern, inner) for pattern in LISTED)
    if is_of_another or name in vouched or is_listed:
        return []
    if any(re.fullmatch(pattern, name) for pattern in LISTED_ONCE):
        return []
    return [f"{name}: {kind or 'a file'} that nothing vouches for"] if kind or is_delivered else []


def _names(delivered: list[str]) -> list[str]:
    """Names that people or file systems take for others."""
    faults = [
        f"{name!a}: a name with other characters than those of ASCII"
        for name in delivered
        if not (name.isascii() and name.isprintable())
    ]
    known: dict[str, str] = {}
    for name in delivered:
        earlier = known.setdefault(name.casefold(), name)
        if earlier != name:
            faults.append(f"{name}: the same as {earlier} where case does not count")
    return faults


def _settings(root: Path) -> list[str]:
    """Lines of settings that ours do not have: those could start programs, or hide files."""
    rules = {
        ".gitattributes": ATTRIBUTES,
        ".dvcignore": re.compile("|".join(map(re.escape, IGNORED))),
        **dict.fromkeys(pin_files.every(root), PIN),
        **{path: NAME_OF_PIN for path in workflow.machinery(root) if path.endswith(".in")},
    }
    faults = []
    for name, rule in rules.items():
        lines = (root / name).read_text("utf-8", "replace").splitlines() if (root / name).is_file() else []
        faults += [
            f"{name}: line {number}: found {line[:60]!r}, which has no place there"
            for number, line in enumerate(lines, 1)
            if not rule.fullmatch(line.rstrip())
        ]
    return [*faults, *_built(root), *_configured(_config(root))]


def _built(root: Path) -> list[str]:
    """What 'pip install' of the clone would start."""
    try:
        system = tomllib.loads((root / "pyproject.toml").read_text("utf-8")).get("build-system", {})
    except (OSError, ValueError) as error:
        return [f"pyproject.toml: cannot be read: {error}"]
    return [
        f"pyproject.toml: [build-system] {key} = {str(value)[:60]}: ours does not say so"
        for key, value in system.items()
        if (key, value) not in BUILD
    ]


def _configured(config: dict[str, dict[str, str]] | None) -> list[str]:
    """Settings of DVC that ours do not have."""
    if config is None:
        return [".dvc/config: cannot be read"]
    faults = []
    for section, values in config.items():
        allowed = {"url": None, "verify": "true"} if section == f"'remote \"{STORE}\"'" else DVC.get(section)
        for key, value in values.items():
            if allowed is None and re.fullmatch(r"'remote \"[A-Za-z0-9_-]+\"'", section):
                continue  # another remote, which is said below
            if allowed is None or key not in allowed or allowed[key] not in (None, value):
                faults.append(f".dvc/config: [{section}] {key} = {value[:60]}: ours does not say so")
    return faults


def _config(root: Path) -> dict[str, dict[str, str]] | None:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string((root / ".dvc/config").read_text("utf-8"))
    except (OSError, ValueError, configparser.Error):
        return None
    return {section: dict(parser.items(section)) for section in parser.sections()}


def _remotes(root: Path) -> list[str]:
    """Where DVC would pull from, if not from the datastore in git."""
    url_by_section = {
        section: values.get("url", "nothing")
        for section, values in (_config(root) or {}).items()
        if "remote" in section
    }
    return [
        f".dvc/config: {section.strip(chr(39))} is {url}; what comes from there is held against hashes, "
        f"not against a place"
        for section, url in url_by_section.items()
        if url != URL or STORE not in section
    ]


def _stored(root: Path) -> list[str]:
    """What lies in the datastore under the MD5 of something else: DVC would give it out where it does not
    look again."""
    faults = []
    for path in sorted((root / STORE / "files/md5").glob("*/*")):
        if path.is_symlink() or not path.is_file():
            continue  # said elsewhere
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        expected, name = f"{path.parent.name}{path.name}".removesuffix(".dir"), path.relative_to(root)
        if digest != expected:
            faults.append(f"{name.as_posix()}: has the MD5 {digest[:12]}…, its name says {expected[:12]}…")
    return faults


def _locks(root: Path) -> list[str]:
    """*.dvc names data by hash, and nothing else: with a command, or with a place to import from, DVC
    would follow it."""
    faults = []
    places = (".", f"{STUDIES}/*")  # of every study, and of what only looks like one
    patterns = [f"{folder}/*.dvc" for place in places for folder in (place, f"{place}/{PATHS['members']}")]
    for path in sorted(path for pattern in patterns for path in root.glob(pattern)):
        name = path.relative_to(root).as_posix()
        if path.is_dir():
            continue  # DVC's own folder
        try:
            entry = params.load_yaml(path)
            outs = entry["outs"]
            says = set(entry) | {key for out in outs for key in out}
            paths = [out["path"] for out in outs]
        except (StageError, LookupError, TypeError) as error:
            faults.append(f"{name}: cannot be read: {str(error).splitlines()[0]}")
            continue
        if more := sorted(map(str, says - {"outs", "md5", "size", "nfiles", "hash", "path"})):
            faults.append(f"{name}: says {', '.join(more)}; expected hashes alone")
        if paths != [path.stem]:
            faults.append(f"{name}: is of {', '.join(map(str, paths))}; expected {path.stem}")
    return faults
