"""The record 'robustness_detection'."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from radiotrace.records.estimates import ShareEstimate
from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import Amount, CountFrom1, Exclusion, Part, Sha256, Share

OfLabels = Annotated[Mapping[str, Share | None], Rule(minProperties=1)]


@dataclass(frozen=True)
class Severity(Record):
    """What is left at a severity of a corruption.

    Attributes:
        map50: mean average precision at an overlap of a half. ap50: of each label.
        sensitivity: label -> share found at the score of the validation part.
        false_positives: an image, of all labels, at these scores.
        holds: whether map50 is at least that of the criterion.
    """

    severity: CountFrom1
    map50: ShareEstimate
    ap50: OfLabels
    sensitivity: OfLabels
    false_positives: Amount
    holds: bool


@dataclass(frozen=True)
class Robustness(Record):
    """How far results fall when images are corrupted.

    Attributes:
        n_cases: test cases, spread evenly.
        clean: without; its severity is 1 and says nothing.
        corruptions: name -> severities, mildest first.
        envelope: name -> the strongest severity up to which all severities hold; 0 for none.
    """

    run_id: Sha256
    part: Part
    excluded: tuple[Exclusion, ...]
    n_cases: CountFrom1
    criterion_ap50: Share
    clean: Severity
    corruptions: Annotated[
        Mapping[str, Annotated[tuple[Severity, ...], Rule(minItems=1)]], Rule(minProperties=1)
    ]
    envelope: Mapping[str, Annotated[int, Rule(minimum=0)]]
