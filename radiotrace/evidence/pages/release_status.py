"""What blocks a release, in one sentence: the same on every page, in Markdown and on the command line.

Called by the documents, the site, the stage evidence and the command results. It takes the record
'traceability' alone, so that all of them say the same, and judges nothing: the record says what blocks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from radiotrace.evidence.design import written_for
from radiotrace.evidence.pages.elements import count_of

BLOCKED, FREE = "The release is blocked", "Nothing blocks the release"
PEOPLE = "Whether to release is for people to decide."
IN_PART = "they ran in part only"  # how the gap of tests begins
# How a gap begins that is told as part of a count; the count of requirements is that of the record.
NOT_VERIFIED, NOT_ACCEPTABLE, NOT_REVIEWED = (
    "not verified: ",
    "residual risk is not acceptable",
    "the item is ",
)


@dataclass(frozen=True)
class Cause:
    """What blocks: a phrase with its number, and the key of the record that names each."""

    text: str
    key: str


def causes(traced: Mapping[str, Any]) -> list[Cause]:
    """What blocks, requirements first; [] where nothing does.

    Args:
        traced: the record 'traceability'.
    """
    if not traced["release_blocked"]:
        return []
    statuses = [row["status"] for row in traced["requirements"].values()]
    n_open = len(statuses) - statuses.count("verified")
    gaps = [row["gap"] for row in traced["gaps"]]
    contradictions, risks, waiting, in_part, verdicts = (
        sum(gap.startswith(words) for gap in gaps)
        for words in (written_for.ANOTHER, NOT_ACCEPTABLE, NOT_REVIEWED, IN_PART, NOT_VERIFIED)
    )
    others = len(gaps) - contradictions - risks - waiting - in_part - verdicts
    n_changed = len(traced["stale"])
    told = [
        (n_open, _of(n_open, len(statuses), "requirement", "not verified"), "requirements"),
        (risks, _are(risks, "risk", "not acceptable"), "gaps"),
        (
            contradictions,
            f"design/ was written for another data set ({count_of(contradictions, 'contradiction')})",
            "gaps",
        ),
        (in_part, "the tests did not run as a whole", "gaps"),
        (n_changed, f"{count_of(n_changed, 'file')} changed after the tests ran", "stale"),
        (waiting, _are(waiting, "item", "not reviewed"), "unreviewed"),
        (others, _are(others, "other gap", "open"), "gaps"),
    ]
    return [Cause(text, key) for number, text, key in told if number]


def sentence(traced: Mapping[str, Any]) -> str:
    """Whether the release is blocked, by what, and by how much of it."""
    blocking = [cause.text for cause in causes(traced)]
    if traced["release_blocked"]:
        return f"{BLOCKED}: {listed(blocking) or 'no reason is given'}."
    return f"{FREE}: {verified(traced)}. {PEOPLE}"


def gaps_in_words(traced: Mapping[str, Any]) -> str:
    """How many gaps there are, as a phrase behind which a list of them is named; "" without one."""
    n_gaps = len(traced["gaps"])
    return "" if not n_gaps else "the gap" if n_gaps == 1 else f"all {n_gaps} gaps"


def verified(traced: Mapping[str, Any]) -> str:
    """How many requirements are verified, as a phrase."""
    statuses = [row["status"] for row in traced["requirements"].values()]
    n_verified = statuses.count("verified")
    if n_verified == len(statuses):
        return f"all {len(statuses)} requirements are verified"
    return f"{n_verified} of {len(statuses)} requirements are verified"


def listed(phrases: list[str]) -> str:
    """Phrases in a row: 'a', 'a and b', 'a, b and c'."""
    if len(phrases) < 2:
        return "".join(phrases)
    return f"{', '.join(phrases[:-1])} and {phrases[-1]}"


def _of(number: int, total: int, noun: str, state: str) -> str:
    return f"{number} of {count_of(total, noun)} {'is' if number == 1 else 'are'} {state}"


def _are(number: int, noun: str, state: str) -> str:
    return f"{count_of(number, noun)} {'is' if number == 1 else 'are'} {state}"
