"""Studies: a folder each, with the data, parameters, pipeline, design and results of one data set.

The root of the repository is the first study; further ones are studies/<name>/, with the same layout inside.
A stage and a command work with the study's folder as the current one, so that every path on a command line
is relative to it. Code, schemas, pins and software/ lie in the repository and are shared by all studies; from
a study they are seen as ../../radiotrace/…. Records name them as the repository does, and what is of the
study as the study does, so that a record does not say where its study lies: no name begins as both do.
"""

import os
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path

from radiotrace.errors import StageError

STUDIES = "studies"
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
# By name, the paths of every study, relative to its folder. They are the options of stages, too; a task
# declares more (tasks.py).
PATHS = {
    "accepted": "build/validate/accepted.json",
    "cases": "metrics/cases.json",
    "checkpoints": ".checkpoints",
    "data": "data",
    "dataset": "build/ingest/dataset.json",
    "design": "design",
    "evaluate-provenance": "build/evaluate/results/provenance.json",
    "evidence": "evidence",
    "export-provenance": "build/export/provenance.json",
    "failed": "execution/findings.html",
    "findings": "build/validate/findings.json",
    "gates": "metrics/gates.json",
    "headline": "metrics/headline.json",
    "ingest-provenance": "build/ingest/provenance.json",
    "lock": "dvc.lock",
    "manifest": "data.sha256",
    "members": "members",
    "metrics": "metrics",
    "metrics-folder": "metrics",
    "model": "build/export/model.json",
    "onnx": "build/export/model.onnx",
    "openings": "design/test_openings.jsonl",
    "params": "params.yaml",
    "predictions": "build/evaluate/results/predictions",
    "readme": "README.md",
    "reviews": "design/reviews.jsonl",
    "split": "build/split/split.json",
    "split-provenance": "build/split/provenance.json",
    "tensorboard": "execution/tensorboard",
    "train": "build/train/train.json",
    "train-provenance": "build/train/provenance.json",
    "validate-provenance": "build/validate/provenance.json",
    "verification": "verification",
    "volumes": "build/ingest/volumes",
    "weights": "build/train/weights.safetensors",
    "workflow": "dvc.yaml",
}


# How names begin that are of the repository. Nothing in a study is called so.
SHARED = (
    ".ci/",
    ".dvc/",
    ".dvcignore",
    ".gitattributes",
    ".github/",
    ".gitignore",
    "Makefile",
    "pyproject.toml",
    "radiotrace/",
    "requirements",
    "schemas/",
    "software/",
    "stages/",
    "tests/",
)


def is_shared(name: str) -> bool:
    """Whether a name is of the repository and not of a study."""
    return f"{name}/".startswith(SHARED) or name.startswith(SHARED)


def named(path: str) -> str:
    """A path as records have it, from how a study sees it."""
    return re.sub(r"^(\.\./)+", "", path)


@dataclass(frozen=True)
class Study:
    """Where a study lies.

    Attributes:
        repository: the folder that has radiotrace/, stages/ and schemas/.
        place: of the study in it, with forward slashes; "." for the first one.
    """

    repository: Path
    place: str = "."

    @property
    def folder(self) -> Path:
        """The study's folder."""
        return self.repository / self.place

    @property
    def up(self) -> str:
        """What leads from the study to the repository: "" or "../../"."""
        return "" if self.place == "." else "../" * len(self.place.split("/"))

    def path(self, name: str) -> Path:
        """The file or folder that PATHS calls so."""
        return self.folder / PATHS[name]

    def seen(self, name: str) -> str:
        """What records name so, as the study sees it."""
        return f"{self.up}{name}" if is_shared(name) else name

    def in_repository(self, name: str) -> str:
        """What records name so, from the root of the repository."""
        return name if is_shared(name) else posixpath.normpath(f"{self.place}/{name}")

    def located(self, name: str) -> Path:
        """The file or folder that records name so."""
        return self.repository / self.in_repository(name)


def at(place: str, repository: Path | str = ".") -> Study:
    """The study at a place of a repository.

    Args:
        place: "." or studies/<name>, as people write it.

    Raises:
        StageError: it is no place of a study, there is no folder, or a link leads to it.
    """
    repository, plain = Path(repository).resolve(), posixpath.normpath(place.replace(os.sep, "/"))
    parts = plain.split("/")
    is_place = plain == "." or (len(parts) == 2 and parts[0] == STUDIES and NAME.fullmatch(parts[1]))
    if not is_place:
        raise StageError(
            f"--study: found {place}, expected '.' or {STUDIES}/NAME with a name of small letters, digits, "
            "'_' and '-'",
            way_out="Start it in the root of the repository.",
        )
    if not (repository / plain).is_dir():
        others = [study.place for study in every(repository)]
        raise StageError(
            f"--study: there is no {plain}/",
            [f"there is {other_place}" for other_place in others],
            f"'python -m radiotrace new {parts[-1]} --data FOLDER' makes it.",
        )
    links = [name for name in (STUDIES, plain) if plain != "." and (repository / name).is_symlink()]
    if links:
        raise StageError(
            f"--study: {links[0]} is a link, expected a folder",
            way_out="Move the study itself there: what it records would otherwise be of another place.",
        )
    return Study(repository, plain)


def enter(place: str) -> Study:
    """The study at a place of the current folder, which its folder then is."""
    study = at(place)
    if study.up:
        os.chdir(study.folder)
    return study


def every(repository: Path | str) -> list[Study]:
    """The studies of a repository, the first one first, the others by name."""
    repository = Path(repository)
    folders = [path.parent for path in sorted(repository.glob(f"{STUDIES}/*/{PATHS['workflow']}"))]
    return [
        Study(repository),
        *(Study(repository, path.relative_to(repository).as_posix()) for path in folders),
    ]
