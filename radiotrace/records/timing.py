"""A line of the ledger 'timings': how long a form of the released network takes on some machine.

People measure it and git keeps it: a clock decides no output of a stage.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from radiotrace.records.typed import Record
from radiotrace.records.values import AboveZero, CountFrom1, Sha256, Text
from radiotrace.records.variants import Runtime, StoredFile

RELEASED = "released"  # the form that is the released file in ONNX Runtime


@dataclass(frozen=True)
class Timing(Record):
    """A line of design/timings.jsonl: one form of a network was timed.

    Attributes:
        form: of variants.json, or "released".
        files_sha256: over the hashes of its files, so that nobody takes it for the time of others.
        version: of the runtime.
        threads: that it was given.
        runs: each a process of its own; forms took turns.
        median_ms: of a case, from the file of its image to the file of its label map: over runs of the
            median over cases. p95_ms: of all of them.
        cold_start_s: since the process began, up to the first label map.
        peak_mb: of the process that predicts.
        machine: its processor, cores, and how many processes ran beside.
    """

    run_id: Sha256
    form: Text
    files_sha256: Sha256
    runtime: Runtime
    version: Text
    threads: CountFrom1
    cases: CountFrom1
    runs: CountFrom1
    median_ms: AboveZero
    p95_ms: AboveZero
    cold_start_s: AboveZero
    peak_mb: AboveZero
    machine: Text


def files_sha256(files: Iterable[StoredFile]) -> str:
    """Over the hashes of files, each on a line."""
    return hashlib.sha256("".join(f"{file.sha256}\n" for file in files).encode()).hexdigest()
