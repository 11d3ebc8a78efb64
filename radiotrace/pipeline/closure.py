"""The closure of code: every file of this repository that a script imports, however indirectly.

Called for the deps of dvc.yaml, for provenance, and for the scope of a test. It fails closed: what it cannot
follow is an error, because a file that it left out would be code that decides a result and stands nowhere.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from radiotrace.errors import StageError

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("radiotrace", "stages")  # of what decides a result
# Calls that run code by a name or a path which is a value.
DYNAMIC = (
    "__import__",
    "eval",
    "exec",
    "import_module",
    "importlib.import_module",
    "importlib.reload",
    "importlib.util.spec_from_file_location",
    "runpy.run_module",
    "runpy.run_path",
)
LAST_OF_DYNAMIC = frozenset(call.rpartition(".")[2] for call in DYNAMIC)
RUNNERS = frozenset({"__import__", "eval", "exec", "import_module"})  # where they are called by their names
LOADERS = frozenset({"importlib", "runpy", "pkgutil", "builtins"})  # modules that have such calls
# of LOADERS or of what they give: they too run or give code by a value, and nothing here follows them
RUN_CODE = frozenset({"exec_module", "load_module", "resolve_name", "iter_modules", "walk_packages"})
# Above or beside such a call: why nothing is reached by it that the closure has not.
DECLARED = re.compile(r"# closure: \S")


@dataclass(frozen=True)
class Imports:
    """What one source imports.

    Attributes:
        modules: dotted names that must be modules.
        members: (module, name) of 'from module import name', where the name may be a module or none.
        chosen: packages of which one module is imported by a name that is a value.
        unclear: (line, call) of what cannot be followed.
    """

    modules: frozenset[str] = frozenset()
    members: frozenset[tuple[str, str]] = frozenset()
    chosen: frozenset[str] = frozenset()
    unclear: tuple[tuple[int, str], ...] = ()


def code_closure(
    roots: Sequence[Path | str],
    packages: Sequence[str] = PACKAGES,
    root: Path | str = ROOT,
    choices: Mapping[str, Sequence[str]] | None = None,
) -> list[str]:
    """The files of a repository that scripts import, themselves included.

    Read from the source, not from sys.modules, so that an import inside a function counts and the answer does
    not depend on what ran before.

    Args:
        roots: the scripts; relative paths are below `root`.
        packages: top-level names that may be imported from the repository.
        root: of the repository.
        choices: package -> the modules of it that are taken where code takes one by a name that is a value,
            as import_module(f"radiotrace.learning.networks.{name}") does.

    Returns:
        Sorted paths relative to root, with forward slashes. The __init__.py of each package on the way is one
        of them.

    Raises:
        StageError: names every import of another package of the repository, of a module that is not there,
            and by a value for which there is no choice.
    """
    files, faults = walk(roots, packages, root, choices)
    if faults:
        raise StageError(
            f"{len(faults)} imports cannot be followed, and so not be accounted for",
            faults,
            "Import by name from the packages that may be imported; say in a comment '# closure: …' why a "
            "call reaches nothing else.",
        )
    return files


def walk(
    roots: Sequence[Path | str],
    packages: Sequence[str],
    root: Path | str,
    choices: Mapping[str, Sequence[str]] | None = None,
    known: dict[Path, tuple[list[Path], list[str]]] | None = None,
) -> tuple[list[str], list[str]]:
    """As code_closure, and instead of an error what cannot be followed: files, faults.

    Args:
        known: what earlier walks with the same packages, root and choices, on the same files, saw; this one
            adds what it sees.
    """
    root, choices = Path(root).resolve(), choices or {}
    known = {} if known is None else known
    seen, faults = set(), []
    todo = [(root / script).resolve().relative_to(root) for script in roots]
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        if path not in known:
            known[path] = _next(path, tuple(packages), root, choices)
        files, unfollowed = known[path]
        todo += files
        faults += [f"{path.as_posix()}: {fault}" for fault in unfollowed]
    return sorted(path.as_posix() for path in seen), sorted(faults)


def _next(
    path: Path, packages: tuple[str, ...], root: Path, choices: Mapping
) -> tuple[list[Path], list[str]]:
    """The files that Python runs with one file, relative to root, and what cannot be followed."""
    above = [parent / "__init__.py" for parent in path.parents if (root / parent / "__init__.py").is_file()]
    imports = imports_of((root / path).read_text("utf-8"), path.parent.parts)
    files, unfollowed = _files(imports, packages, root, choices)
    return above + files, unfollowed


def _files(
    imports: Imports, packages: tuple[str, ...], root: Path, choices: Mapping
) -> tuple[list[Path], list[str]]:
    """The files that imports lead to, relative to root, and what is wrong with others."""
    files, faults = [], [f"line {line}: {call}: not known before it runs" for line, call in imports.unclear]
    modules = set(imports.modules)
    for package in sorted(imports.chosen):
        if package in choices:
            modules |= {f"{package}.{name}" for name in choices[package]}
        else:
            faults.append(f"imports a module of {package} by a value, and no choice is declared")
    for module in sorted(modules | {module for module, _ in imports.members}):
        top = module.split(".")[0]
        if top in packages:
            module_files = _file_of(module, root)
            files += module_files
            if not module_files and not root.joinpath(*module.split(".")).is_dir():
                faults.append(f"imports {module}, which is not there")
        elif _is_first_party(top, root):
            faults.append(f"imports {module}, expected one of {', '.join(packages)}")
    for module, name in imports.members:
        if module.split(".")[0] in packages:
            files += _file_of(f"{module}.{name}", root)
    return files, faults


def foreign(files: Sequence[str], root: Path | str = ROOT) -> dict[str, list[str]]:
    """What code imports that is neither the repository's nor of Python itself.

    Args:
        files: of a closure, relative to root.

    Returns:
        Top-level module -> the files that import it, both sorted.
    """
    root, importers = Path(root), {}
    for path in sorted(files):
        imports = imports_of((root / path).read_text("utf-8"), Path(path).parent.parts)
        names = imports.modules | {module for module, _ in imports.members}
        for top in {name.split(".")[0] for name in names}:
            importers.setdefault(top, []).append(path)
    return {
        top: users
        for top, users in sorted(importers.items())
        if top not in sys.stdlib_module_names and not _is_first_party(top, root)
    }


def _file_of(module: str, root: Path) -> list[Path]:
    """The file of a module, relative to root; [] where there is none."""
    base = Path(*module.split("."))
    return [path for path in (base.with_suffix(".py"), base / "__init__.py") if (root / path).is_file()]


def _is_first_party(top: str, root: Path) -> bool:
    """Whether a top-level name is one of the repository's own."""
    return (root / f"{top}.py").is_file() or any((root / top).glob("*.py"))


@cache  # of several scripts, the closures share most files
def imports_of(text: str, package: tuple[str, ...]) -> Imports:
    """What a source imports that lies in a package; relative imports are resolved."""
    nodes = list(ast.walk(ast.parse(text)))
    modules, members, chosen = set(), set(), set()
    unclear = [(node.lineno, ast.unparse(node)) for node in _evasions(nodes) if not _is_declared(text, node)]
    for node in nodes:
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*above, *([node.module] if node.module else [])])
            members |= {(module, alias.name) for alias in node.names}
        elif isinstance(node, ast.Call) and _is_dynamic(node.func):
            name = node.args[0] if node.args else None
            if (
                isinstance(name, ast.Constant)
                and isinstance(name.value, str)
                and "import" in ast.unparse(node.func)
            ):
                modules.add(name.value)
            elif prefix := _package_of_choice(name):
                chosen.add(prefix)
            elif not _is_declared(text, node):
                unclear.append((node.lineno, ast.unparse(node)))
    return Imports(frozenset(modules), frozenset(members), frozenset(chosen), tuple(unclear))


def _is_dynamic(function: ast.expr) -> bool:
    """Whether an expression is one of DYNAMIC."""
    last = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", None)
    return last in LAST_OF_DYNAMIC and ast.unparse(function) in DYNAMIC


def _evasions(nodes: Sequence[ast.AST]) -> Iterator[ast.expr | ast.stmt]:
    """Where code gets at what runs code by another way than a call of DYNAMIC under its own name."""
    callers = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    bases = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    for node in nodes:
        if isinstance(node, ast.Import):
            tops = [(alias, alias.name.split(".")[0]) for alias in node.names]
            is_evasive = any(top in LOADERS and (alias.asname or top == "builtins") for alias, top in tops)
        elif isinstance(node, ast.ImportFrom):
            of_loader = (node.module or "").split(".")[0] in LOADERS
            running = {
                *RUNNERS,
                *RUN_CODE,
                "reload",
                "spec_from_file_location",
                "run_module",
                "run_path",
                "*",
            }
            is_evasive = of_loader and any(
                alias.name in running and (alias.asname or alias.name != "import_module")
                for alias in node.names
            )
        elif isinstance(node, ast.Name):
            is_evasive = (node.id in RUNNERS and id(node) not in callers) or (
                node.id in LOADERS and id(node) not in bases
            )
        elif isinstance(node, ast.Attribute):
            is_evasive = node.attr in RUN_CODE or (_is_dynamic(node) and id(node) not in callers)
        else:
            continue
        if is_evasive:
            yield node


def _package_of_choice(name) -> str | None:
    """The package of f"package.{name}"; None for anything else."""
    if not isinstance(name, ast.JoinedStr) or len(name.values) != 2:
        return None
    head, tail = name.values
    if not isinstance(head, ast.Constant) or not isinstance(tail, ast.FormattedValue):
        return None
    prefix = head.value
    return prefix[:-1] if isinstance(prefix, str) and prefix.endswith(".") else None


def _is_declared(text: str, node: ast.expr | ast.stmt) -> bool:
    """Whether a comment beside a call, or on the line above it, says why nothing else is reached."""
    lines = range(node.lineno - 1, (node.end_lineno or node.lineno) + 1)
    return any(line in lines and DECLARED.match(comment) for line, comment in _comments(text))


@cache
def _comments(text: str) -> tuple[tuple[int, str], ...]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return tuple((token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT)
