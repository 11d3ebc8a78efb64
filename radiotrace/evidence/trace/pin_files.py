"""The files of requirements of a repository: what each is for, and which of them code can reach.

'make deps' writes into dvc.yaml on which of them a stage depends, the scope of a test has those of its code,
and the bundle lists all. No stage but evidence imports this.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from radiotrace.errors import StageError
from radiotrace.pipeline import pins
from radiotrace.pipeline.closure import ROOT

ALL, FOLDER = pins.ALL, "requirements"
# What the pipeline needs: ALL and the files that it names. Other wings have their own, which count nowhere.
RUNTIME = (
    ALL,
    "requirements/core.txt",
    "requirements/drawing.txt",
    "requirements/dvc.txt",
    "requirements/evidence.txt",
    "requirements/export.txt",
    "requirements/imaging.txt",
    "requirements/inference.txt",
    "requirements/learning.txt",
    "requirements/optimize.txt",
)
TOOLS = (
    "requirements/cluster.txt",
    "requirements/dev.txt",
    "requirements/dicom.txt",
    "requirements/nnunet.txt",
    "requirements/notebooks.txt",
    "requirements/search.txt",
)
# Stages import from these, and no byte of an output is decided there: the files say why.
WITHOUT_RESULT = ("requirements/cluster.txt", "requirements/dvc.txt")


def every(root: Path | str = ROOT) -> list[str]:
    """All files of requirements of a repository, those of tools among them."""
    folder = sorted(path.relative_to(root).as_posix() for path in Path(root, FOLDER).glob("*.txt"))
    return [ALL, *folder]


def reached(
    importers: Mapping[str, Sequence[str]],
    root: Path | str = ROOT,
    left_out: Sequence[str] = WITHOUT_RESULT,
) -> list[str]:
    """The files of requirements that code can reach, and so depends on.

    Args:
        importers: module -> files that import it, as closure.foreign gives them.
        left_out: files that do not count.

    Raises:
        StageError: names every module that no file gives, or two files give.
    """
    given: dict[str, list[str]] = {}
    for path in every(root):
        for module in pins.read(Path(root) / path).modules:
            given.setdefault(module, []).append(path)
    reached_files, faults = set(), []
    for module, users in sorted(importers.items()):
        files = given.get(pins.module(module), [])
        if len(files) == 1:
            reached_files |= set(files)
        else:
            faults.append(f"{module}: found in {', '.join(files) or 'none'}; imported by {', '.join(users)}")
    if faults:
        raise StageError(
            f"{len(faults)} modules are not of one file of requirements",
            faults,
            f"Pin the package in a file of {FOLDER}/; where its module has another name, write '# import "
            "NAME' behind the pin.",
        )
    return pins.files(reached_files - set(left_out), root)
