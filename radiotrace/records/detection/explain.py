"""The record 'explain_detection'."""

from dataclasses import dataclass
from typing import Annotated

from radiotrace.records.detection.boxes import Corner
from radiotrace.records.estimates import ShareEstimate
from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import CaseId, CountFrom1, Exclusion, Part, Sha256, Share, Text


@dataclass(frozen=True)
class ExplainedBox(Record):
    """A shown box, and where its score comes from.

    Attributes:
        inside: share of the gradient of its score that lies in the box; inside_at_random: of a network with
            random weights, by mean.
        area: share of the image that the box is.
        drop: by how much its score falls when the box is blurred; drop_elsewhere: when a box of this size
            elsewhere is, by mean.
    """

    case_id: CaseId
    label: Text
    score: Share
    low_voxels: Corner
    high_voxels: Corner
    inside: Share
    inside_at_random: Share
    area: Share
    drop: float
    drop_elsewhere: float


@dataclass(frozen=True)
class Explain(Record):
    """Where the scores of boxes come from.

    Attributes:
        inside, inside_at_random: means over boxes. beyond_random: share of boxes of which more of the
            gradient lies inside than with random weights.
        needed: share of boxes whose score falls more when they are blurred than when another place is.
    """

    run_id: Sha256
    part: Part
    excluded: tuple[Exclusion, ...]
    n_cases: CountFrom1
    repetitions: CountFrom1
    inside: ShareEstimate
    inside_at_random: ShareEstimate
    beyond_random: ShareEstimate
    needed: ShareEstimate
    boxes: Annotated[tuple[ExplainedBox, ...], Rule(minItems=1)]
