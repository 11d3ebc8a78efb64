"""The record 'predicted_classes': what a released classifier said of new pictures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.prediction import Contract
from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import Count, Sha256, Share, Text


@dataclass(frozen=True)
class ToldBy(Record):
    """The model.

    Attributes:
        sha256: of model.onnx. record_sha256: of model.json.
        thresholds: label -> probability from which it is called.
        review_above: uncertainty above which a person should look; null without one.
    """

    run_id: Sha256
    sha256: Sha256
    record_sha256: Sha256
    labels: Annotated[tuple[Text, ...], Rule(minItems=2)]
    thresholds: Annotated[Mapping[str, Share], Rule(minProperties=1)]
    review_above: Share | None


@dataclass(frozen=True)
class PictureRead(Record):
    """The file of a picture.

    Attributes:
        width_pixels, height_pixels: as it came.
        done: what was changed before the steps of the model, such as colours that were brought to grey.
    """

    file: Text
    sha256: Sha256
    width_pixels: Count
    height_pixels: Count
    done: tuple[Text, ...]


@dataclass(frozen=True)
class ToldCase(Record):
    """What was told of a picture.

    Attributes:
        told: its classes; none of them where it may have several and has none.
        probabilities: label after the first -> calibrated probability.
        uncertainty: entropy of the probabilities, as a share of the most that it can be.
        is_flagged: whether a person should look at it first; null where the model has no threshold.
    """

    case_id: Text
    image: PictureRead
    contract: Contract
    told: tuple[Text, ...]
    probabilities: Annotated[Mapping[str, Share], Rule(minProperties=1)]
    uncertainty: Share
    is_flagged: bool | None


@dataclass(frozen=True)
class PredictedClasses(Record):
    """What a released classifier said of new pictures.

    Attributes:
        modality: as whoever handed them in calls it; null where nobody said.
        cases: sorted by name.
        without: picture -> why nothing is told of it.
        software: name -> version of what computed it.
    """

    notice: Literal["Research software; not for diagnosis."]
    model: ToldBy
    modality: Text | None
    cases: tuple[ToldCase, ...]
    without: Mapping[str, tuple[Text, ...]]
    software: Mapping[str, str]
