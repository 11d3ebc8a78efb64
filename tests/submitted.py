"""The submitted run: what is committed of this repository, whatever a run has made of the working tree since.

A run rewrites metrics/, evidence/, build/, dvc.lock and the ledger of openings. What is said of the submitted
run is therefore held against HEAD: tests read its files below folder(), and what DVC keeps of it from the
datastore, by the hash that HEAD has. Before a run of one's own counts as submitted, it is committed.
"""

import atexit
import json
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from radiotrace.pipeline import params

ROOT = Path(__file__).resolve().parent.parent
STORE = "datastore/files/md5"
# below ROOT: a test that opens one of these fails, see tests/conftest.py
RUN_MAKES = ("build", "metrics", "evidence", "dvc.lock")


def git(*words: str, root: Path = ROOT) -> bytes:
    """What git prints of this clone.

    Raises:
        RuntimeError: git fails, as in a folder that is no clone or has no commit.
    """
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(
            f"git {' '.join(words)}: {done.stderr.decode(errors='replace').strip()}; these "
            f"tests need a clone with a commit"
        )
    return done.stdout


@cache
def folder() -> Path:
    """Every file of HEAD, in a temporary folder that lasts as long as this process; datastore/ is a link
    to the clone's."""
    made = tempfile.TemporaryDirectory(prefix="submitted-")
    atexit.register(made.cleanup)
    files = git("archive", "--format=tar", "HEAD", "--", ".", ":(exclude)datastore")
    subprocess.run(["tar", "-x", "-C", made.name], input=files, check=True)
    if (ROOT / "datastore").is_dir():
        (Path(made.name) / "datastore").symlink_to(ROOT / "datastore")
    return Path(made.name)


def json_of(path: str):
    """What a JSON file of HEAD says; its path from the clone's folder."""
    return json.loads((folder() / path).read_text("utf-8"))


@cache
def stored() -> dict[str, Path]:
    """Path of each file that DVC keeps of HEAD, the files in its folders among them -> its object in the
    datastore."""
    stages = params.load_yaml(folder() / "dvc.lock")["stages"].values()
    outs = [out for stage in stages for out in stage["outs"]]
    outs += [
        out
        for path in sorted(folder().glob("*.dvc"))
        if path.is_file()
        for out in params.load_yaml(path)["outs"]
    ]
    found = {}
    for out in outs:
        listing = object_of(out["md5"])
        found[out["path"]] = listing
        if out["md5"].endswith(".dir") and listing.is_file():
            found |= {
                f"{out['path']}/{entry['relpath']}": object_of(entry["md5"])
                for entry in json.loads(listing.read_bytes())
            }
    return found


def object_of(md5: str) -> Path:
    """Where the datastore has the object of a hash."""
    return ROOT / STORE / md5[:2] / md5[2:]
