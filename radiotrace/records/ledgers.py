"""Ledgers: files of one JSON object a line, in git, to which lines are only ever added."""

import json
from pathlib import Path

from radiotrace import records
from radiotrace.errors import StageError


def read(path, schema: str) -> list[dict]:
    """The lines so far; [] where there is no file yet.

    Raises:
        StageError: names every line that is not of the schema.
    """
    entries, broken = [], []
    for number, line in enumerate(Path(path).read_bytes().splitlines() if Path(path).exists() else [], 1):
        try:
            entries.append(records.parse(line.decode("utf-8")))
        except ValueError as error:
            broken.append(f"line {number}: no JSON: {error}")
            continue
        broken += [f"line {number}: {fault}" for fault in records.faults(entries[-1], schema)]
    if broken:
        raise StageError(
            f"{path} is broken", broken, f"Restore it with 'git checkout {path}'; lines are only ever added."
        )
    return entries


def add(path, lines: list[dict], schema: str) -> None:
    """Adds lines behind those that are there.

    Raises:
        StageError: the ledger is broken.
        ValueError: a line is not of the schema.
    """
    before = read(path, schema)
    if broken := [fault for line in lines for fault in records.faults(line, schema)]:
        raise ValueError(f"not of schema {schema}: {broken}")
    records.write_bytes(
        path,
        "".join(
            json.dumps(one, sort_keys=True, ensure_ascii=False) + "\n" for one in (*before, *lines)
        ).encode(),
    )


def model(line: dict) -> tuple[str, str | None]:
    """What a line of the ledger of the test part says that it was shown to: a run, and its weights.

    Lines from before weights were kept have None for them.
    """
    return line["run_id"], line.get("weights_sha256")


def n_models(lines: list[dict]) -> int:
    """How many models lines of the ledger of the test part are of.

    Lines of a run from before weights were kept are of one.
    """
    return len({model(line) for line in lines})
