"""wheels: locks the SHA-256 of the file that pip takes for each pin. Run it after a change of pins:

    python -m radiotrace.evidence.formats.wheels

Reads   requirements.txt and every file of requirements/; asks the package index that pip is set up for
Writes  software/design/wheels.json, without a word of where the files lie
"""

import json
import subprocess
import sys
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name

from radiotrace import errors, records
from radiotrace.evidence.formats import components, distributions
from radiotrace.evidence.trace import pin_files
from radiotrace.pipeline import pins
from radiotrace.pipeline.closure import ROOT

PATH = "software/design/wheels.json"


def lock(report: dict, names) -> dict:
    """The record 'wheels' from an installation report of pip.

    Args:
        report: of 'pip install --dry-run --report'.
        names: spelt as in the pins.

    Raises:
        KeyError: the report lacks one of the names, or a SHA-256.
    """
    items = {canonicalize_name(item["metadata"]["name"]): item for item in report["install"]}
    rows = {name: items[canonicalize_name(name)] for name in sorted(names)}
    return {
        "wheels": {
            name: {
                "version": item["metadata"]["version"],
                "sha256": item["download_info"]["archive_info"]["hashes"]["sha256"],
                "file": PurePosixPath(unquote(urlsplit(item["download_info"]["url"]).path)).name,
            }
            for name, item in rows.items()
        }
    }


def faults(wheels: dict, pinned: dict) -> list[str]:
    """Pins without a locked file of their version, and locked files without a pin; [] when each has the
    other."""
    locked = {name: row["version"] for name, row in wheels["wheels"].items()}
    not_locked = [
        f"{name}: locked {locked.get(name, 'nothing')}, pinned {version}"
        for name, version in pinned.items()
        if name not in locked or not components.same_version(version, locked[name])
    ]
    not_pinned = [
        f"{name}: locked {version}, not pinned" for name, version in locked.items() if name not in pinned
    ]
    return sorted(not_locked + not_pinned)


def main():
    files = pin_files.every()
    pinned = distributions.pinned([pin for file in files for pin in pins.of(ROOT / file)])
    pip = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--dry-run",
            "--ignore-installed",
            "--no-deps",
            "--quiet",
            "--report",
            "-",
            *(word for file in files for word in ("-r", str(ROOT / file))),
        ],
        stdout=subprocess.PIPE,
        check=True,
    )
    records.write(PATH, lock(json.loads(pip.stdout), pinned), "wheels")
    errors.log(f"wheels: wrote {PATH}, {len(pinned)} distributions")


if __name__ == "__main__":
    main()
