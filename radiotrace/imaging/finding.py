"""A finding: what a check of data found."""

from typing import NamedTuple


class Finding(NamedTuple):
    """What one check found in one case; case_id "" where it is of the set as a whole. Severity 'error' stops
    the run, 'warning' does not."""

    case_id: str
    check: str
    found: str
    expected: str
    severity: str
