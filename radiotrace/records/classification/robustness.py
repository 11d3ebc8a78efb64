"""The record 'robustness_classification'."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from radiotrace.records.estimates import ShareEstimate
from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import AboveZero, CountFrom1, Exclusion, Part, Sha256, Share


@dataclass(frozen=True)
class Severity(Record):
    """What is left at a severity of a corruption.

    Attributes:
        amount: of the corruption, in its own unit.
        auroc: label -> area under the ROC curve.
        accuracy: share of cases that are told rightly at the thresholds of the validation part.
        changed: share of cases that are told otherwise than without.
        holds: whether the area of every label is at least that of the criterion.
    """

    severity: CountFrom1
    amount: float
    auroc: Annotated[Mapping[str, ShareEstimate], Rule(minProperties=1)]
    accuracy: Share
    changed: Share
    holds: bool


@dataclass(frozen=True)
class Attack(Record):
    """What is left under an attack that knows the network.

    Attributes:
        steps: 1 is FGSM, more is PGD.
        accuracy: of the attacked cases; accuracy_before: of the same without.
    """

    eps_sd: AboveZero
    steps: CountFrom1
    n_cases: CountFrom1
    accuracy_before: Share
    accuracy: Share


@dataclass(frozen=True)
class Robustness(Record):
    """How far results fall when pictures are corrupted or attacked.

    Attributes:
        clean: area of each label without.
        corruptions: name -> severities, mildest first.
        envelope: name -> the strongest severity up to which all severities hold; 0 for none.
    """

    run_id: Sha256
    part: Part
    excluded: tuple[Exclusion, ...]
    n_cases: CountFrom1
    criterion_auroc: Share
    clean: Annotated[Mapping[str, ShareEstimate], Rule(minProperties=1)]
    clean_accuracy: Share
    corruptions: Annotated[
        Mapping[str, Annotated[tuple[Severity, ...], Rule(minItems=1)]], Rule(minProperties=1)
    ]
    envelope: Mapping[str, Annotated[int, Rule(minimum=0)]]
    attacks: tuple[Attack, ...]
