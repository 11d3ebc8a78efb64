"""The record 'distilled': smaller networks that were made of a trained one, and how they learnt."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.network import NetworkSpec
from radiotrace.records.sections.segmentation.distil import DistilParams, FormName
from radiotrace.records.train import Epoch, InEffect, LearntCases
from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import Count, CountFrom1, Exclusion, RelativePath, Sha256, Text

Start = Literal["random weights", "channels of the trained network", "weights of the trained network"]


@dataclass(frozen=True)
class Form(Record):
    """One smaller network.

    Attributes:
        start: what its weights were before it learnt.
        teacher: whether it learnt from the trained network's logits, too, and not from labels alone.
        weights: their number. zeros: how many of them are 0.
        logit_offsets: of each label, background first, found for this network; null where the run has none.
        history: of each pass; empty where it was not trained.
        file: ONNX, its offsets in it; path in the folder of this record.
    """

    start: Start
    teacher: bool
    network: NetworkSpec
    weights: CountFrom1
    zeros: Count
    logit_offsets: Annotated[tuple[float, ...], Rule(minItems=2)] | None
    history: tuple[Epoch, ...]
    file: RelativePath
    sha256: Sha256
    bytes: CountFrom1


@dataclass(frozen=True)
class Distilled(Record):
    """Smaller networks of a run, none of which has seen the test part.

    Attributes:
        run_id, weights_sha256: of the trained network, which is their teacher.
        excluded: cases that people left out.
        cases: that they learnt from, and were followed on.
        in_effect: what the machine made of what the run asked for.
        forms: by name.
        not_made: name -> why this network has no such form.
        params: the section distil of params.yaml, and the seed.
    """

    run_id: Sha256
    weights_sha256: Sha256
    excluded: tuple[Exclusion, ...]
    cases: LearntCases
    in_effect: InEffect
    forms: Mapping[FormName, Form]
    not_made: Mapping[FormName, Text]
    params: DistilParams
