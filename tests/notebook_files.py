"""The notebooks as files: notebooks/NAME.ipynb is made of notebooks/NAME.py, which people edit.

    python -m tests.notebook_files

writes them ('make notebooks'). They are the same bytes each time: jupytext gives cells ids by lot, and here
they are numbered. Nothing of a run is in them.
"""

import sys
from pathlib import Path

import jupytext
import nbformat

from radiotrace import records
from radiotrace.pipeline.closure import ROOT

FOLDER = ROOT / "notebooks"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def sources() -> list[Path]:
    """The files that people edit, sorted."""
    return sorted(FOLDER.glob("*.py"))


def notebook(source: Path) -> nbformat.NotebookNode:
    """The notebook of a source, without outputs."""
    made = jupytext.reads(source.read_text("utf-8"), fmt="py:percent")
    made.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    made.nbformat, made.nbformat_minor = 4, 5
    for number, cell in enumerate(made.cells):
        cell.id, cell.metadata = f"{source.stem}-{number}", nbformat.from_dict({})
    nbformat.validate(made)
    return made


def content(source: Path) -> bytes:
    """The file of a notebook."""
    return (nbformat.writes(notebook(source)) + "\n").encode()


def main() -> int:
    """Writes the files."""
    for source in sources():
        records.write_bytes(source.with_suffix(".ipynb"), content(source))
    return 0


if __name__ == "__main__":
    sys.exit(main())
