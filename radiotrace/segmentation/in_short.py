"""In short: four sentences of a report for a clinician, and above them what blocks a release.

Plain values in, text out; what a model must not be used for is in the words of design/intended_use.yaml.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from radiotrace.records.dataset import Identity
from radiotrace.records.metrics import Metrics
from radiotrace.records.values import UncertaintyKind
from radiotrace.segmentation.report import KINDS, MACRO, number

OPEN = "TO DECIDE"  # how a text begins that nobody has written yet


@dataclass(frozen=True)
class Sentence:
    """What a reader asks, and the answer."""

    about: str
    text: str


@dataclass(frozen=True)
class State:
    """Whether criteria are met, with every draft in the same line.

    Attributes:
        is_good: all criteria are met, and nothing is a draft.
    """

    is_good: bool
    text: str


def state(acceptance: dict, unreviewed: Sequence[str], is_draft: bool) -> State:
    """What stands above everything else.

    It never says that a release is free: more than the report knows of decides that.

    Args:
        acceptance: the record.
        unreviewed: criteria that were not reviewed as they stand.
        is_draft: whether the intended use is a text that nobody approved.
    """
    results = acceptance["results"]
    missed = [row["requirement"] for row in results if row["verdict"] not in ("met", "post-hoc")]
    late = [row["requirement"] for row in results if row["verdict"] == "post-hoc"]
    if missed or late:
        reasons = []
        if missed:
            reasons.append(f"{len(missed)} of {len(results)} performance criteria are missed or undecided")
        if late:
            of_all = "" if missed else f" of {len(results)} performance criteria"
            reasons.append(f"{len(late)}{of_all} are met only after the fact (post-hoc)")
        text = f"The release is blocked: {' and '.join(reasons)}"
    else:
        text = f"All {len(results)} performance criteria are met"
    open_texts = [f"not reviewed as they stand: {', '.join(unreviewed)}"] if unreviewed else []
    if is_draft:
        open_texts.append("the intended use is a draft that nobody approved")
    if open_texts:
        text = f"{text}. Draft: {'; '.join(open_texts)}"
    return State(not (missed or late or open_texts), f"{text}.")


def sentences(
    metrics: Metrics, dataset: Identity, intended_use: dict, flag_by: UncertaintyKind
) -> list[Sentence]:
    """How good, where it fails, on whom, and what not to use it for.

    Args:
        intended_use: the study's record.
        flag_by: the kind of uncertainty that the report shows.
    """
    return [
        Sentence("How good", _how_good(metrics)),
        Sentence("Where it fails", _where_it_fails(metrics, flag_by)),
        Sentence("On whom", _on_whom(metrics, dataset, intended_use)),
        Sentence("Not to be used", _not_for(intended_use)),
    ]


def _how_good(metrics: Metrics) -> str:
    row = metrics.of_measure["dice"][MACRO]
    dice = number(row.mean, 2)
    if row.ci95_low is not None:
        dice = f"{dice} (95 % interval {number(row.ci95_low, 2)} to {number(row.ci95_high, 2)})"
    return (
        f"On {metrics.n_cases} images of {metrics.n_subjects} subjects that training did not see, outlines "
        f"overlap those of the reference with a mean Dice of {dice}, "
        "where 1 is the same outline and 0 none in common."
    )


def _where_it_fails(metrics: Metrics, flag_by: UncertaintyKind) -> str:
    worst = metrics.worst_cases[0]
    return (
        f"The worst case, {worst.case_id}, has a Dice of {number(worst.dice, 2)}{_volume(metrics)}; and the "
        f"uncertainty by {KINDS[flag_by]} {_finds(metrics, flag_by)} cases that need a second look."
    )


def _volume(metrics: Metrics) -> str:
    """The label whose volume errs most; "" where it is undefined for all."""
    means = {
        label: row.mean
        for label, row in metrics.of_measure["volume_error_absolute_percent"].items()
        if label != MACRO and row.mean is not None
    }
    if not means:
        return ""
    label = max(means, key=lambda name: means[name])
    text = f"; volumes err most for {label}, by {number(means[label], 1)} % on average"
    slope = metrics.volume_agreement[label].slope
    if slope.ci95_high is not None and slope.ci95_high < 0:
        return f"{text}, with large ones shown too small and small ones too large"
    if slope.ci95_low is not None and slope.ci95_low > 0:
        return f"{text}, with large ones shown too large and small ones too small"
    return text


def _finds(metrics: Metrics, flag_by: UncertaintyKind) -> str:
    low = metrics.uncertainty[flag_by].auroc.ci95_low
    return "finds" if low is not None and low > 0.5 else "has not been shown to find"


def _on_whom(metrics: Metrics, dataset: Identity, intended_use: dict) -> str:
    name = dataset.name or "a data set without a name"
    modality = f" ({dataset.modality})" if dataset.modality else ""
    known = _written(intended_use["population"]["unknown"])
    unknown = f"; not known of these people: {', '.join(known)}" if known else ""
    return (
        f"It was tried on {metrics.n_subjects} subjects of {name}{modality} alone{unknown}, so that the "
        "figures say nothing about others."
    )


def _not_for(intended_use: dict) -> str:
    texts = intended_use["must_not_be_used"]
    uses = [_first_words(text) for text in _written(texts)]
    still_open = ", and what a person has still to decide" if len(uses) < len(texts) else ""
    return f"It must not be used {'; '.join(uses) or 'before a person has said for what'}{still_open}."


def _written(texts: Sequence[str]) -> list[str]:
    return [text for text in texts if not text.startswith(OPEN)]


def _first_words(text: str) -> str:
    """The first sentence of a text, as part of a longer one."""
    first = text.split(". ")[0].rstrip(".")
    return f"{first[:1].lower()}{first[1:]}"
