"""The verifier itself: which code it is that verifies, and whether the clone has the same.

A clone that verifies itself can say anything. A verifier that lies elsewhere, from somebody whom the reader
trusts, is known by the SHA-256 over its own files, which is the same for a clone and for a wheel of the same
version.
"""

from pathlib import Path

from radiotrace.evidence.trace import tests
from radiotrace.evidence.verify.levels import Check, Clone
from radiotrace.pipeline import isolated
from radiotrace.records import merkle

CODE = ("radiotrace", "stages", "schemas")
UNTESTED = "this verifier has no tests to hold them against, one from a clone of your own has"
WHEEL = "radiotrace/schemas/"  # where a wheel has what is schemas/ in a clone


def files(root, tops=CODE) -> dict[str, str]:
    """SHA-256 of every file of the code below a folder, by its path in a clone."""
    digests = tests.tree(root, [name for name in tops if (Path(root) / name).exists()])
    return {
        path.removeprefix("radiotrace/") if path.startswith(WHEEL) else path: digest
        for path, digest in digests.items()
    }


def sha256() -> str:
    """Root of the hash tree over the code that runs now."""
    return merkle.root(files(isolated.ROOT))


def is_apart(clone: Clone) -> bool:
    """Whether the code that runs now lies elsewhere than in the clone."""
    return not isolated.ROOT.is_relative_to(clone.study.repository.resolve())


def line(clone: Clone) -> str:
    """Which code verifies."""
    place = "apart from the clone"
    if not is_apart(clone):
        place = "OF THE CLONE ITSELF, which can say anything: docs/verify.md has a better way"
    return f"verifier:  SHA-256 {sha256()}, {place}"


def check(clone: Clone) -> Check:
    """Level 3: the clone's code and tests are the verifier's, so that what follows from the verifier's code
    follows from the clone's.

    A test that asserts less passes all the same, wherever it runs. Only a verifier that is a clone has tests
    to hold them against.
    """
    claim = "its code is that of the verifier"
    if not is_apart(clone):
        return Check(
            3,
            claim,
            skipped=["the clone verifies itself"],
            looked=False,
            believed=[
                "radiotrace/, stages/, schemas/, tests/: the code of the clone, with which it verifies itself"
            ],
        )
    # a folder of packages may have tests of others
    tops = (*CODE, *tests.TESTS) if (isolated.ROOT / "dvc.yaml").is_file() else CODE
    own, of_clone = files(isolated.ROOT, tops), files(clone.study.repository, tops)
    faults = [
        f"{name}: {_unlike(own.get(name), of_clone.get(name))}"
        for name in sorted(own.keys() | of_clone.keys())
        if own.get(name) != of_clone.get(name)
    ]
    return Check(3, claim, faults, believed=[] if tops != CODE else [f"tests/: what they assert; {UNTESTED}"])


def _unlike(own: str | None, of_clone: str | None) -> str:
    if own is None:
        return "this verifier has no such file"
    return "the clone has no such file" if of_clone is None else "not the verifier's"
