"""Values that stand in many records, each with the rule that its schema has."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.typed import Record, Rule

Text = Annotated[str, Rule(minLength=1)]
CaseId = Annotated[str, Rule(pattern="^[A-Za-z0-9][A-Za-z0-9._-]*$")]
SubjectId = Text
Sha256 = Annotated[str, Rule(pattern="^[0-9a-f]{64}$")]
RelativePath = Annotated[str, Rule(pattern=r"^(?!/)(?!.*\.\.)[^\\:]+$")]
Seed = Annotated[int, Rule(minimum=0)]
Count = Annotated[int, Rule(minimum=0)]
CountFrom1 = Annotated[int, Rule(minimum=1)]
Amount = Annotated[float, Rule(minimum=0)]
AboveZero = Annotated[float, Rule(exclusiveMinimum=0)]
Share = Annotated[float, Rule(minimum=0, maximum=1)]
Part = Literal["train", "validation", "test"]
UncertaintyKind = Literal["dropout", "augmentation", "ensemble", "prediction"]
# Three letters, a direction each that x, y and z point to.
Orientation = Annotated[str, Rule(pattern="^(?=.*[LR])(?=.*[PA])(?=.*[SI])[LRPASI]{3}$")]
SpacingMm = tuple[AboveZero, AboveZero, AboveZero]
LabelValue = Annotated[str, Rule(pattern="^(0|[1-9][0-9]*)$")]
# Value -> name; "0" is the background.
Labels = Annotated[Mapping[LabelValue, Text], Rule(minProperties=2, required=["0"])]


@dataclass(frozen=True)
class Exclusion(Record):
    """A case that people left out, and why."""

    case_id: CaseId
    reason: Text
