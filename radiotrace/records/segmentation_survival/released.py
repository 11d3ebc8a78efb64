"""The record 'released_hazard': the file that tells both, labels and log-hazard, and all that it needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.network import NetworkSpec
from radiotrace.records.preprocessing import Preprocessing
from radiotrace.records.sections.segmentation_survival.release import ReleaseParams
from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import (
    AboveZero,
    Amount,
    CaseId,
    Count,
    CountFrom1,
    Labels,
    RelativePath,
    Sha256,
    Share,
    Text,
)


@dataclass(frozen=True)
class Baseline(Record):
    """Chance of no event of a subject whose log-hazard is 0, at times; of another one with proportional
    hazards it is that to the power of exp(log-hazard).

    Attributes:
        kind: proportional, of Cox's partial likelihood; discrete, where each interval ends with a time and
            has an offset, to which the log-hazard is added for the log-odds of the event.
        offsets: of the intervals; null where hazards are proportional.
    """

    kind: Literal["proportional", "discrete"]
    time: Annotated[tuple[Amount, ...], Rule(minItems=1)]
    survival: Annotated[tuple[Share, ...], Rule(minItems=1)] | None
    offsets: Annotated[tuple[float, ...], Rule(minItems=1)] | None


@dataclass(frozen=True)
class HazardParity(Record):
    """How far ONNX Runtime is from torch, on test cases.

    Attributes:
        max_log_hazard_difference: from what was measured in the test part.
        max_logit_difference: from torch, of any voxel.
    """

    cases: Annotated[tuple[CaseId, ...], Rule(minItems=1)]
    tolerance: AboveZero
    max_log_hazard_difference: Amount
    max_logit_difference: Amount
    worst_case: CaseId
    voxels_different: Count
    voxels: CountFrom1


@dataclass(frozen=True)
class ReleasedHazard(Record):
    """The file with both answers.

    Attributes:
        sha256: of the file.
        window_voxels: what goes through the network, along x, y, z: the whole image in its middle, 0 around
            it.
        outputs: name -> what it is.
        unit: of times.
        parity: with what was measured.
    """

    run_id: Sha256
    file: RelativePath
    sha256: Sha256
    weights_sha256: Sha256
    network: NetworkSpec
    preprocessing: Preprocessing
    window_voxels: tuple[CountFrom1, CountFrom1, CountFrom1]
    labels: Labels
    outputs: Annotated[Mapping[str, Text], Rule(minProperties=2)]
    unit: str
    baseline: Baseline
    limits: Annotated[tuple[Text, ...], Rule(minItems=1)]
    params: ReleaseParams
    parity: HazardParity
