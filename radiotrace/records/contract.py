"""The contract of a model that was made elsewhere: what its file does not say, and nobody should guess.

People write it, as YAML; `import-model` holds it against the file, and the record 'imported_run' repeats it.
Values of three axes are along x, y, z, as everywhere in records.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from radiotrace.records.preprocessing import ChannelName, Edges, Modality, Multiple, Percentiles
from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import AboveZero, CaseId, Orientation, SpacingMm, Text

UNKNOWN = "unknown"  # what a contract may say where nobody knows


@dataclass(frozen=True)
class Normalisation(Record):
    """How a channel is normalised before the network takes it.

    Attributes:
        by: image: clipped to two percentiles of the image, then mean 0 and SD 1 of the image itself. numbers:
            clipped to low and high, then shifted by mean and divided by sd, the same for every image; a
            scaling of a range a to b onto 0 to 1 is low a, high b, mean a, sd b - a. none: as the file of the
            image means its values.
    """

    RULES: ClassVar = {
        "oneOf": [
            {
                "properties": {"by": {"const": "image"}},
                "required": ["clip_percentiles"],
                "not": {"anyOf": [{"required": [name]} for name in ("low", "high", "mean", "sd")]},
            },
            {
                "properties": {"by": {"const": "numbers"}},
                "required": ["low", "high", "mean", "sd"],
                "not": {"required": ["clip_percentiles"]},
            },
            {
                "properties": {"by": {"const": "none"}},
                "not": {
                    "anyOf": [
                        {"required": [name]} for name in ("clip_percentiles", "low", "high", "mean", "sd")
                    ]
                },
            },
        ]
    }

    by: Literal["image", "numbers", "none"]
    clip_percentiles: Percentiles | None = None
    low: float | None = None
    high: float | None = None
    mean: float | None = None
    sd: AboveZero | None = None


@dataclass(frozen=True)
class ContractChannel(Record):
    """A channel of the image, as the data set of the study calls it."""

    name: ChannelName
    modality: Modality
    normalise: Normalisation


@dataclass(frozen=True)
class ContractInput(Record):
    """What the file takes.

    Attributes:
        layout: channel_first: (n, channel, space); channel_last: (n, space, channel); voxels: (n, channel),
            each voxel by itself, as classifiers of tables take it.
        axes: order of the spatial axes in the array, the outermost first; of a network that takes a slice at
            a time, whose array has two of them, they are ["y", "x"] or ["x", "y"].
        orientation: where x, y and z point to.
        spacing_mm: of the grid that it sees; null keeps that of each image.
        patch_voxels: the smallest edges that go through it, at which it was trained.
        window_voxels: the largest edges in one pass; as patch_voxels where the file takes one size alone.
        multiple: what every edge must be a multiple of.
    """

    layout: Literal["channel_first", "channel_last", "voxels"]
    axes: Annotated[tuple[Literal["x", "y", "z"], ...], Rule(minItems=2, maxItems=3, uniqueItems=True)]
    orientation: Orientation
    spacing_mm: SpacingMm | None
    patch_voxels: Edges
    window_voxels: Edges
    multiple: Multiple
    channels: Annotated[tuple[ContractChannel, ...], Rule(minItems=1, maxItems=16)]


@dataclass(frozen=True)
class ContractOutput(Record):
    """What the file gives.

    Attributes:
        name: of the output; there where the file has several, such as a label and probabilities.
        gives: logits, before the activation; probabilities, behind it; labels: a map of whole numbers.
        activation: softmax over channels, sigmoid of each channel by itself, or none, of a map of labels.
        labels: names in the order of the channels (of sigmoid without background, or with it, which then is
            not used); of a map, of 0, 1, 2 and so on. As the study calls them.
        overlap: exclusive: a voxel has one label by itself. Of sigmoid, where channels may overlap: a voxel
            takes of those above one half the highest, or the later one in the order of labels.
        logit_offsets: of each label in this order, added to the logits; there where the model has some that
            are not in its file.
    """

    gives: Literal["logits", "probabilities", "labels"]
    activation: Literal["softmax", "sigmoid", "none"]
    labels: Annotated[tuple[Text, ...], Rule(minItems=1, uniqueItems=True)]
    overlap: Literal["exclusive", "highest", "later"]
    name: Text | None = None
    logit_offsets: Annotated[tuple[float, ...], Rule(minItems=2)] | None = None


@dataclass(frozen=True)
class Origin(Record):
    """Where the model comes from, as whoever brings it says; "unknown" where they do not know.

    Attributes:
        by: who trained it.
        data: on what.
        study_cases: which cases of this study were among them: unknown; none, which somebody then has said;
            or their ids.
    """

    by: Text
    data: Text
    licence: Text
    study_cases: Literal["unknown", "none"] | tuple[CaseId, ...]


@dataclass(frozen=True)
class ModelContract(Record):
    """What the file of a foreign model does not say: what goes in, what comes out, where it comes from."""

    name: Text
    input: ContractInput
    output: ContractOutput
    origin: Origin
