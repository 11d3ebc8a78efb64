"""Runs a module of this repository, and nothing else that lies in it: python -I
radiotrace/pipeline/isolated.py MODULE ARGUMENT…

Whoever made a clone may have put a dataclasses.py into it, which `python -m` would take for the standard
library's, or compiled code that is not of the source beside it. Here the clone's folder never gets on the
path of imports: a finder serves radiotrace and stages from the folder in which this file lies, always from
their source, and no other name.

It is the first of our code that runs, before anything is known of the folder, and so takes only the standard
library. The entry of `python -m radiotrace verify` and `sign`, and of the stage that verify starts again
(evidence/verify/levels.py).
"""

import os
import sys

if __name__ == "__main__" and not sys.flags.isolated:  # before another import: these two are loaded already
    os.execv(sys.executable, [sys.executable, "-I", "-B", *sys.argv])  # noqa: S606

import importlib
import importlib.machinery
import importlib.util
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("radiotrace", "stages")
# What the environment could say to Python, our stages, DVC, git, a shell or a numerical library. None of it
# is of the clone.
CLEARED = (
    "PYTHON",
    "RADIOTRACE_",
    "DVC_",
    "GIT_",
    "PYTEST_",
    "LD_PRELOAD",
    "LD_AUDIT",
    "BASH_ENV",
    "BASH_FUNC_",
    "ENV",
    "ATEN_",
    "CUBLAS_",
    "KMP_",
    "MKL_",
    "NVIDIA_TF32",
    "OMP_",
    "ONEDNN_",
    "PYTORCH_",
    "TORCH",
)


class Source(importlib.machinery.SourceFileLoader):
    """Compiles the source each time: a .pyc beside it may be of another."""

    def get_code(self, fullname: str):
        """The module's code."""
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


class Finder:
    """Finds modules of PACKAGES below a folder."""

    def __init__(self, root: Path):
        self.root = root

    def find_spec(self, fullname: str, path=None, target=None):
        """The spec of a module; None for names of others.

        Raises:
            ImportError: the name is ours, but there is no such source, or a symbolic link in its place.
        """
        parts = fullname.split(".")
        if parts[0] not in PACKAGES:
            return None
        base = self.root.joinpath(*parts)
        package = base / "__init__.py"
        file = package if package.is_file() else base.parent / f"{base.name}.py"
        if not file.is_file():
            raise ModuleNotFoundError(f"{file} is missing", name=fullname)
        if file.is_symlink() or base.is_symlink():
            raise ImportError(f"{file}: found a symbolic link, expected a file", name=fullname)
        return importlib.util.spec_from_file_location(
            fullname,
            file,
            loader=Source(fullname, str(file)),
            submodule_search_locations=[str(base)] if file == package else None,
        )


def environment(**values: str) -> dict[str, str]:
    """This process's environment without what could change what a stage does, and with other values."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if key == "LD_LIBRARY_PATH" or not key.startswith(CLEARED)
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', os.defpath)}"
    return {**kept, "PATH": path, "PYTHONDONTWRITEBYTECODE": "1", **values}


def command(module: str, *arguments: str, root: Path = ROOT) -> list[str]:
    """The words that run a module of a repository in an interpreter of its own.

    Args:
        root: of the repository whose code runs. It is this one's, and hence not that of a clone that is
            verified.
    """
    return [
        sys.executable,
        "-I",
        "-B",
        str(Path(root) / "radiotrace/pipeline/isolated.py"),
        module,
        *arguments,
    ]


def main(module: str, arguments: list[str]) -> int:
    """Runs the command line, or a stage; gives its exit status."""
    sys.meta_path.insert(0, Finder(ROOT))
    if module == "radiotrace":
        return importlib.import_module("radiotrace.__main__").main(arguments)
    script = importlib.import_module(module)
    return importlib.import_module("radiotrace.pipeline.stage").run(script.main, script.parser, arguments)


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2:]))
