"""What decides a result: code closure, parameters, pins, inputs; and the run_id that is their SHA-256."""

import ast
from functools import cache
from pathlib import Path

from radiotrace import records

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("radiotrace", "stages")


def code_closure(script, root=ROOT) -> list[str]:
    """The files of this repository that a script imports, itself included, however indirectly.

    Read from the source, not from sys.modules, so that an import inside a function counts and the answer does
    not depend on what ran before.

    Returns:
        Sorted paths relative to root, with forward slashes. The __init__.py of each package on the way is one
        of them.
    """
    root = Path(root)
    found, todo = set(), [Path(script).resolve().relative_to(root.resolve())]
    while todo:
        path = todo.pop()
        if path in found:
            continue
        found.add(path)
        todo += [
            parent / "__init__.py" for parent in path.parents if (root / parent / "__init__.py").is_file()
        ]
        for name in _imported((root / path).read_text("utf-8"), path.parent.parts):
            base = Path(*name.split("."))
            todo += [
                file for file in (base.with_suffix(".py"), base / "__init__.py") if (root / file).is_file()
            ]
    return sorted(path.as_posix() for path in found)


@cache  # of several scripts, the closures share most files
def _imported(text: str, package: tuple[str, ...]) -> frozenset[str]:
    """Dotted names that a module of a package may import from this repository; 'from a import b' yields
    both a and a.b."""
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*above, *([node.module] if node.module else [])])
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return frozenset(name for name in names if name.split(".")[0] in PACKAGES)


def provenance(script, params: dict, requirements, inputs: list) -> dict:
    """The record of what decides a stage's outputs.

    Args:
        script: the stage's file.
        params: its section of params.yaml and the seed.
        requirements: the file of pins.
        inputs: the files that it read, named as on its command line. A folder is stood for by the record that
            lists its files by SHA-256.

    Returns:
        A record of schema 'provenance'. Its digest does not change with machine, path or clock.
    """
    return {
        "stage": Path(script).stem,
        "code": {path: records.sha256(ROOT / path) for path in code_closure(script)},
        "params": params,
        "requirements_sha256": records.sha256(requirements),
        "inputs": {Path(path).as_posix(): records.sha256(path) for path in inputs},
    }


def run_id(provenance_record: dict) -> str:
    """SHA-256 of a provenance record: same code, parameters, pins and inputs, same id."""
    return records.digest(provenance_record)
