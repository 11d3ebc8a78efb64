"""The record 'hazard': what a training run of a segmentation with survival left beside the record 'train'."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from radiotrace.records.sections.segmentation_survival.hazard import HazardParams
from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import AboveZero, Amount, CaseId, Count, CountFrom1, Sha256


@dataclass(frozen=True)
class ToldCase(Record):
    """What the network says of a case.

    Attributes:
        log_hazard: of the subject.
        volume_ml: of each label, as it is outlined in one pass of the whole image.
        suvmax: highest value of the first channel inside what is outlined, as the file has it; null where
            nothing is outlined.
        components: connected components of all labels together.
    """

    log_hazard: float
    volume_ml: Annotated[Mapping[str, Amount], Rule(minProperties=1)]
    suvmax: float | None
    components: Count


@dataclass(frozen=True)
class Alone(Record):
    """A second network, from the same initial weights and the same samples, that learnt the outlines alone.

    Attributes:
        weights_sha256: of alone.safetensors.
        logit_offsets: of each label, background first, that balance its volumes as those of the first are;
            null where these are not.
        cases: of both parts, what it says of each; its log-hazard, which it did not learn, is 0.
    """

    weights_sha256: Sha256
    logit_offsets: Annotated[tuple[float, ...], Rule(minItems=2)] | None
    cases: Annotated[Mapping[CaseId, ToldCase], Rule(minProperties=1)]


@dataclass(frozen=True)
class Hazard(Record):
    """How survival was learnt, and what the network says of the cases that it was learnt from.

    Attributes:
        weights_sha256: of the network, as the record 'train' has it.
        params: the section hazard of params.yaml, and the seed.
        n_train, n_events: cases of the train part, and those of them whose event was seen.
        edges: ends of the intervals of a discrete hazard, from the train part.
        offsets: log-odds of an event in each for a log-hazard of 0; there where the hazard is discrete.
        cases: of the train and the validation part.
        alone: null where none was trained.
    """

    run_id: Sha256
    weights_sha256: Sha256
    params: HazardParams
    n_train: CountFrom1
    n_events: Count
    edges: Annotated[tuple[AboveZero, ...], Rule(minItems=1)]
    offsets: Annotated[tuple[float, ...], Rule(minItems=1)] | None
    cases: Annotated[Mapping[CaseId, ToldCase], Rule(minProperties=1)]
    alone: Alone | None
