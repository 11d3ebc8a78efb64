"""The record 'explain_classification'."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from radiotrace.records.estimates import Estimate
from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import CaseId, CountFrom1, Sha256, Share

Correlation = Annotated[float, Rule(minimum=-1, maximum=1)]


@dataclass(frozen=True)
class Explained(Record):
    """A map of a label of a case, and how far to trust it.

    Attributes:
        drop_top: by how much the log odds of the label fall when the fifth of the picture that the map ranks
            highest is blurred away; drop_random: by mean of as large random places.
        correlation_random: rank correlation with the map of networks with random weights, by mean; a map
            that is like theirs shows the picture and not the network. Null where a map is flat.
    """

    probability: Share
    drop_top: float
    drop_random: float
    correlation_random: Correlation | None


@dataclass(frozen=True)
class ExplainedCase(Record):
    """A test case."""

    case_id: CaseId
    labels: Annotated[Mapping[str, Explained], Rule(minProperties=1)]


@dataclass(frozen=True)
class Check(Record):
    """Over the explained cases.

    Attributes:
        gain: drop_top minus drop_random; above 0 where maps find what counts.
        correlation_random: near 0 where maps are of the network.
    """

    gain: Estimate
    correlation_random: Estimate


@dataclass(frozen=True)
class Explain(Record):
    """Where in a picture the score of a label comes from (Grad-CAM of the last features), and two checks of
    the maps."""

    run_id: Sha256
    method: str
    repetitions: CountFrom1
    cases: Annotated[tuple[ExplainedCase, ...], Rule(minItems=1)]
    checks: Annotated[Mapping[str, Check], Rule(minProperties=1)]
