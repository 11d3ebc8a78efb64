"""The scope of a test: the files that can decide what comes of it. What changed elsewhere leaves it standing.

From the source alone, and on the wide side: what a file of tests imports, however indirectly; what any stage
or command imports, where it starts processes or imports by a value; the files and folders that its texts
name; the schemas that the code of all this names, or tasks declare; what lies beside that code and is none;
the pins of what it imports.
"""

import ast
import re
from collections import defaultdict
from fnmatch import fnmatchcase
from functools import cache, cached_property
from pathlib import Path, PurePosixPath

from radiotrace.errors import StageError
from radiotrace.evidence.trace import pin_files, tests
from radiotrace.pipeline import closure, dvcfile, tasks

PACKAGES = ("radiotrace", "stages", "tests", "benchmarks")
ENTRIES = ("radiotrace/__main__.py", "radiotrace/pipeline/isolated.py")  # and every script below stages/
# What commands import of a task by its name (commands/of_task.py).
OF_TASKS = ("radiotrace/*/verification/checks.py", "radiotrace/*/measures.py")
SHARED = ("tests/conftest.py", "tests/requirement_plugin.py")
ALWAYS = ("pyproject.toml",)
STARTED = ("dvc.yaml",)  # what processes read
DECLARATIONS = "radiotrace/pipeline/tasks.py"  # which reads what a task declares
OF_CODE = ("radiotrace", "stages")  # a folder whose modules count where something reaches them
PROCESSES = frozenset({"subprocess", "multiprocessing", "runpy", "pexpect"})


def stale(tested: dict, now: dict[str, str], root, known_tests: dict[str, dict]) -> dict[str, list[str]]:
    """The files of tests whose outcomes are not of this code -> every file that speaks against them.

    Args:
        tested: the record 'tests'.
        now: of tests.tree, of code and tests as they are below `root`.
        known_tests: of tests.declared.
    """
    scopes, broken = Scopes(root, tested["files"], now), tests.contradictions(tested)
    files = {test.split("::")[0] for test in {**known_tests, **tested["tests"]}}
    lines = {file: [*scopes.changed(file), *broken] for file in sorted(files)}
    return {file: reasons for file, reasons in lines.items() if reasons}


class Scopes:
    """The scopes of the files of tests of a repository.

    Args:
        root: of the repository.
        then: path -> SHA-256 of code and tests, when the tests ran.
        now: the same as the files are.

    Where code chooses a module by the name of a parameter, those count that there were when the tests ran,
    and the one that params.yaml names: another that was added since is none that anything would run. So it is
    with schemas that code names in part, or a task declares: those of a task that was added bear on nothing.
    """

    def __init__(self, root, then: dict[str, str], now: dict[str, str]):
        self.root, self.then, self.now = Path(root), then, now
        self.choices = {}
        for package, name in dvcfile.CHOICES.items():
            counting = {*_modules(package, then), *_chosen(self.root, name)}
            self.choices[package] = sorted(counting & set(_modules(package, now)))
        self.paths = then.keys() | now.keys()
        # of one file each; scopes share most of theirs
        self._walked, self._foreign, self._pins_of, self._schemas_of = {}, {}, {}, {}

    def changed(self, test_file: str) -> list[str]:
        """Every file in the scope of a file of tests that is not the one on which the tests ran."""
        lines = []
        for path in sorted(self.of(test_file)):
            before, after = self.then.get(path), self.now.get(path)
            if before != after:
                word = "new" if before is None else "gone" if after is None else "changed"
                lines.append(f"{path}: {word} since the tests ran")
        return lines

    def of(self, test_file: str) -> set[str]:
        """Paths of the scope; of a file of tests that is gone, itself."""
        if test_file not in self.now:
            return {test_file}
        seen, unclear = self._walk([test_file])
        own = [path for path in seen if path.startswith("tests/")]
        scope = {*seen, *self._shared, *(path for path in ALWAYS if path in self.paths)}
        if unclear or any(self._starts_processes(path) for path in own):
            scope |= self._reach | {path for path in STARTED if path in self.paths}
        for path in own:
            scope |= self._named(texts(self._text(path)))
        return scope | self._beside(scope) | self._pins(scope)

    def _starts_processes(self, path: str) -> bool:
        return starts_processes(self._text(path), Path(path).parent.parts)

    def _text(self, path: str) -> str:
        return (self.root / path).read_text("utf-8")

    def _walk(self, roots: list[str]) -> tuple[set[str], bool]:
        """The files that roots import, of benchmarks/ only known ones; and whether an import is unclear."""
        files, faults = closure.walk(roots, PACKAGES, self.root, self.choices, self._walked)
        counting = {path for path in files if not path.startswith("benchmarks/") or path in self.paths}
        return counting, bool(faults)

    @cached_property
    def _shared(self) -> set[str]:
        """What every file of tests has around it."""
        return self._walk([path for path in SHARED if path in self.now])[0]

    @cached_property
    def _reach(self) -> set[str]:
        """What the stages and commands import."""
        scripts = [path for path in self.now if path.startswith("stages/") and path.endswith(".py")]
        found = [path for path in self.now if any(fnmatchcase(path, one) for one in OF_TASKS)]
        return self._walk([*scripts, *found, *(path for path in ENTRIES if path in self.now)])[0]

    def _named(self, names: frozenset[str]) -> set[str]:
        """The files that texts name, also as seen from tests/ and schemas/, and those in folders that they
        name."""
        files = set()
        for name in names:
            for path in (name, f"tests/{name}", f"tests/schema_cases/{name}", f"schemas/{name}"):
                if path in self.paths:
                    files.add(path)
                    continue
                if path not in self._inside:
                    continue
                is_of_code = path.split("/")[0] in OF_CODE
                files |= self._reach if is_of_code else self._inside[path]
        return files

    @cached_property
    def _inside(self) -> dict[str, set[str]]:
        """Folder -> the files in it and below."""
        files_of = defaultdict(set)
        for path in self.paths:
            for folder in list(PurePosixPath(path).parents)[:-1]:  # the last is "."
                files_of[folder.as_posix()].add(path)
        return dict(files_of)

    def _pins(self, scope: set[str]) -> set[str]:
        """The files of pins that the code of a scope reaches; all that the pipeline needs, where a module is
        of none."""
        code = [path for path in scope if path.endswith(".py") and path in self.now]
        for path in code:
            if path not in self._foreign:
                self._foreign[path] = closure.foreign([path], self.root)
        modules = frozenset(module for path in code for module in self._foreign[path])
        if modules not in self._pins_of:
            self._pins_of[modules] = self._pin_files(modules)
        return self._pins_of[modules] & self.paths

    def _pin_files(self, modules: frozenset[str]) -> set[str]:
        try:
            return set(pin_files.reached(dict.fromkeys(modules, ()), self.root, left_out=()))
        except StageError:
            return set(pin_files.RUNTIME)

    @cached_property
    def _schemas_of_tasks(self) -> set[str]:
        """The schemas that the declarations of tasks name."""
        declared = [path for path in self.now if fnmatchcase(path, f"stages/*/{tasks.FILE}")]
        words = {word for path in declared for word in re.findall(r"\w+", self._text(path))}
        return {f"schemas/{word}.schema.json" for word in words} & self.then.keys()

    def _beside(self, scope: set[str]) -> set[str]:
        """The schemas that code names, and what lies beside it and is none, such as templates."""
        code = [path for path in scope if path.endswith(".py") and path in self.now]
        schemas = set().union(*map(self._schemas, code))
        if DECLARATIONS in code:
            schemas |= self._schemas_of_tasks
        folders = {path.rpartition("/")[0] for path in code if path.split("/")[0] in OF_CODE}
        neighbours = {path for path, above in self._no_code.items() if not above.isdisjoint(folders)}
        return schemas | neighbours

    def _schemas(self, path: str) -> set[str]:
        """The schemas that a file of code names."""
        if path not in self._schemas_of:
            literals = texts(self._text(path))
            starts = tuple(f"schemas/{name}" for name in literals if name.endswith("_"))  # f"params_{task}"
            found = {f"schemas/{name}.schema.json" for name in literals} & self.paths
            self._schemas_of[path] = found | {one for one in self.then if one.startswith(starts)}
        return self._schemas_of[path]

    @cached_property
    def _no_code(self) -> dict[str, set[str]]:
        """What lies among code and is none -> the folders that it is in, below the first one."""
        return {
            path: {"/".join(parts[:count]) for count in range(2, len(parts))}
            for path in self.paths
            if (parts := path.split("/"))[0] in OF_CODE and not path.endswith(".py")
        }


def _modules(package: str, files: dict[str, str]) -> list[str]:
    """The modules of a package that are among files."""
    folder = f"{package.replace('.', '/')}/"
    names = (path.removeprefix(folder) for path in files if path.startswith(folder))
    return [name.removesuffix(".py") for name in names if name.endswith(".py") and name != "__init__.py"]


def _chosen(root: Path, name: str) -> list[str]:
    """The module that params.yaml names; none where there is no such file, as in a repository of a test."""
    if not (root / dvcfile.PARAMS).is_file():
        return []
    return [str(dvcfile.value(dvcfile.parameters(root), name))]


@cache
def texts(text: str) -> frozenset[str]:
    """The texts of a source, also in parts of f-strings, without slashes around them."""
    nodes = ast.walk(ast.parse(text))
    return frozenset(
        node.value.strip("/")
        for node in nodes
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and 0 < len(node.value.strip("/")) < 200
    )


@cache
def starts_processes(text: str, package: tuple[str, ...]) -> bool:
    """Whether a source, which lies in a package, imports what starts other processes."""
    imports = closure.imports_of(text, package)
    modules = [*imports.modules, *(module for module, _ in imports.members)]
    return not PROCESSES.isdisjoint(module.split(".")[0] for module in modules)
