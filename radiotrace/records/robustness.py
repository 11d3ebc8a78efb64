"""The record 'robustness'."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from radiotrace.records.estimates import AmountEstimate, Estimate, ShareMean
from radiotrace.records.sections.segmentation.robustness import Corruption
from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import AboveZero, CountFrom1, Exclusion, Part, Sha256, Share, Text

Percent = Annotated[float, Rule(maximum=100)]
# Label, or the mean of labels -> Dice.
DiceOfLabels = Annotated[Mapping[str, ShareMean], Rule(minProperties=1)]
# Label -> spread.
SpreadOfLabels = Annotated[Mapping[str, AmountEstimate], Rule(minProperties=1)]
# Label -> severity; 0 where it is below the criterion without corruption, null where it never is.
SeverityOfLabels = Annotated[
    Mapping[str, Annotated[int, Rule(minimum=0, maximum=5)] | None], Rule(minProperties=1)
]


@dataclass(frozen=True)
class Degradation(Estimate):
    """By how much Dice falls, in percent of that of the clean image."""

    value: Percent | None
    ci95_low: Percent | None
    ci95_high: Percent | None


@dataclass(frozen=True)
class Severity(Record):
    """Dice under a corruption at one severity."""

    dice: DiceOfLabels
    relative_degradation_percent: Degradation


@dataclass(frozen=True)
class Corrupted(Record):
    """Dice under a corruption.

    Attributes:
        unit, strengths: of the five severities.
        breaks_at: severity from which Dice is below the criterion.
        breaks_at_ci95_low: the same of the lower bound; null where some severity has no interval.
    """

    unit: Text
    strengths: Annotated[tuple[AboveZero, ...], Rule(minItems=5, maxItems=5)]
    severities: Annotated[tuple[Severity, ...], Rule(minItems=5, maxItems=5)]
    mean_relative_degradation_percent: Degradation
    breaks_at: SeverityOfLabels
    breaks_at_ci95_low: SeverityOfLabels | None


@dataclass(frozen=True)
class Repeatability(Record):
    """How predictions of the unshifted image and of small shifts differ; root mean square over cases."""

    n_predictions: Annotated[int, Rule(minimum=2)]
    volume_cv_percent: SpreadOfLabels
    dice_sd: SpreadOfLabels


@dataclass(frozen=True)
class Level(Record):
    """Dice under an attack that changes voxels by so much."""

    eps_sd: AboveZero
    dice: DiceOfLabels
    relative_degradation_percent: Degradation


Levels = Annotated[tuple[Level, ...], Rule(minItems=1)]


@dataclass(frozen=True)
class Attacks(Record):
    """Dice under each attack."""

    noise: Levels
    fgsm: Levels
    pgd: Levels
    segpgd: Levels


@dataclass(frozen=True)
class Adversarial(Record):
    """Dice of some of the cases on the canonical grid; a drop that was found, not a bound."""

    n_cases: CountFrom1
    n_subjects: CountFrom1
    steps: CountFrom1
    step_per_eps: AboveZero
    clean: DiceOfLabels
    attacks: Attacks


@dataclass(frozen=True)
class Robustness(Record):
    """Dice of the test part under corruption, small shifts and attack, laid out for `dvc metrics diff`, which
    leaves lists out.

    Attributes:
        excluded: cases that people left out.
        corruptions: on the grid of the original image; relative degradations are those of mean_of_labels.
        repeatability: of the unshifted image and of small shifts; root mean square over cases.
        adversarial: of some of the cases, on the canonical grid; a drop that was found, not a bound. null
            where the network has no gradient: an imported one, which ONNX Runtime computes.
        no_attack_because: there where it is null.
    """

    run_id: Sha256
    part: Part
    excluded: tuple[Exclusion, ...]
    n_cases: CountFrom1
    n_subjects: CountFrom1
    criterion_dice: Share
    clean: DiceOfLabels
    corruptions: Annotated[Mapping[Corruption, Corrupted], Rule(minProperties=1)]
    repeatability: Repeatability
    adversarial: Adversarial | None
    no_attack_because: Text | None = None
