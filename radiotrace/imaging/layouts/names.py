"""Names: what the name of a file, or of its folder, says that it holds. Guesses, and said as such."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from radiotrace.imaging import decoding

LABEL_WORDS = frozenset(
    [
        "label",
        "labels",
        "labelstr",
        "labelsts",
        "labelsval",
        "seg",
        "segs",
        "segm",
        "segmentation",
        "segmentations",
        "mask",
        "masks",
        "gt",
        "groundtruth",
        "annotation",
        "annotations",
        "dseg",
        "lesionseg",
        "labelmap",
        "labelmaps",
        "manual",
    ]
)
IMAGE_FOLDERS = frozenset(["images", "imagestr", "image", "img", "imgs"])
LABEL_FOLDERS = frozenset(
    [
        "labels",
        "labelstr",
        "label",
        "masks",
        "mask",
        "segmentations",
        "segmentation",
        "segs",
        "seg",
        "gt",
        "groundtruth",
        "annotations",
        "labelmaps",
    ]
)
DERIVATIVES = "derivatives"  # of BIDS
PICTURES = re.compile(r"\.(png|jpe?g|tiff?)$", re.IGNORECASE)
LABEL_END = re.compile(r"[_-](" + "|".join(sorted(LABEL_WORDS, key=len, reverse=True)) + r")$", re.IGNORECASE)
BREAKS = re.compile(r"[^A-Za-z0-9]+")
ENTITY = re.compile(r"(?P<key>[A-Za-z]+)-(?P<value>[A-Za-z0-9]+)")
# Of a label map alone: what it shows and where it comes from, not which image it belongs to.
ENTITIES_OF_LABELS = ("label", "desc", "space", "res", "den", "atlas", "seg")


def is_image_file(path: str) -> bool:
    """Whether a file ends as a volume or a picture does that is read."""
    return bool(decoding.ENDINGS.search(path) or is_picture(path))


def is_picture(path: str) -> bool:
    return bool(PICTURES.search(path))


def stem(path: str) -> str:
    """A file's name without its folder and its ending, ".nii.gz" as a whole."""
    name = PurePosixPath(path).name
    return PICTURES.sub("", name) if is_picture(name) else decoding.case_name(name)


def is_label(path: str, bare: str | None = None) -> bool:
    """Whether a word of a path says that it holds labels.

    Args:
        bare: the name of the file without its ending, where it is known.
    """
    parts = (*PurePosixPath(path).parent.parts, stem(path) if bare is None else bare)
    return any(word in LABEL_WORDS for part in parts for word in BREAKS.split(part.lower()))


def without_label(name: str) -> str:
    """A name without the word in which that of a label map ends."""
    return LABEL_END.sub("", name)


@dataclass(frozen=True)
class BidsName:
    """A name such as sub-01_ses-1_run-2_T1w.

    Attributes:
        entities: key -> value, in the order of the name, without those that only a label map has.
        suffix: the last word.
    """

    entities: dict[str, str]
    suffix: str

    @property
    def subject(self) -> str:
        return f"sub-{self.entities['sub']}"

    @property
    def case_id(self) -> str:
        return "_".join(f"{key}-{value}" for key, value in self.entities.items())


def bids(path: str) -> BidsName | None:
    """A name as BIDS has it; None where it is none."""
    words = stem(path).split("_")
    entities: dict[str, str] = {}
    n_words = 0
    for word in words:
        entity = ENTITY.fullmatch(word)
        if entity is None:
            break
        n_words += 1
        if entity["key"] not in ENTITIES_OF_LABELS:
            entities[entity["key"]] = entity["value"]
    if next(iter(entities), None) != "sub" or n_words == len(words):
        return None
    return BidsName(entities, "_".join(words[n_words:]))
