"""The classifier in the records of a run and of a model: everything but its weights. Needs no torch."""

from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import CountFrom1

Name = Literal["resnet", "densenet", "convnext"]
Widths = Annotated[tuple[Annotated[int, Rule(minimum=8, multipleOf=8)], ...], Rule(minItems=1, maxItems=5)]


@dataclass(frozen=True)
class ClassifierSpec(Record):
    """A classifier, but for its weights.

    Attributes:
        widths: channels of each stage; each after the first halves the resolution. Of densenet, the growth of
            each.
        blocks: in each stage.
        enlarge: by what factor a picture is enlarged before the first layer.
        dropout: share of the pooled features that a pass of dropout takes away.
        outputs: logits of a picture.
    """

    name: Name
    widths: Widths
    blocks: Annotated[int, Rule(minimum=1, maximum=32)]
    enlarge: Annotated[int, Rule(minimum=1, maximum=8)]
    dropout: Annotated[float, Rule(minimum=0, exclusiveMaximum=1)]
    image_channels: CountFrom1
    outputs: CountFrom1
