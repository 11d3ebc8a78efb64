"""Section export of the params.yaml of a segmentation, where each value is explained."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import AboveZero, Count, CountFrom1, Text

# On one line, and no sign that a page or a table would take for more than a word.
Word = r"^[^\x00-\x1f<>|`]*$"
Colour = Annotated[str, Rule(pattern="^#[0-9a-f]{6}$")]


@dataclass(frozen=True)
class LabelCode(Record):
    """A concept of a terminology, as DICOM writes it: SCT is SNOMED CT, RADLEX is RadLex."""

    scheme: Annotated[str, Rule(pattern="^[A-Z0-9_]{1,16}$")]
    value: Annotated[str, Rule(minLength=1, maxLength=16, pattern=Word)]
    meaning: Annotated[str, Rule(minLength=1, maxLength=64, pattern=Word)]


@dataclass(frozen=True)
class ReleasedLabel(Record):
    """What a label is to others.

    Attributes:
        code: of the structure; null where nobody said.
        modifier: of the code, such as a side or a part.
        colour: red, green, blue.
    """

    code: LabelCode | None
    modifier: LabelCode | None
    colour: Colour


@dataclass(frozen=True)
class ExportParams(Record):
    """The released file, and how close it must come.

    Attributes:
        labels: name -> what it is to others; one that is not there gets a colour.
        licence: of the released folder; null where nobody said.
        parity_cases: null is all of the test part.
    """

    opset: Annotated[int, Rule(minimum=18)]
    labels: Mapping[str, ReleasedLabel]
    licence: Text | None
    golden_cases: Count
    parity_cases: CountFrom1 | None
    parity_tolerance: AboveZero
    threads: CountFrom1
