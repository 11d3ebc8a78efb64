"""A released classifier: the folder that export writes, checked before anything is told with it, and what a
picture must be for it. Needs no torch."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radiotrace import records
from radiotrace.classification import onnx_session, telling
from radiotrace.classification.onnx_session import Graph
from radiotrace.errors import StageError, shown_short
from radiotrace.imaging.image import Image
from radiotrace.inference import picture
from radiotrace.inference.picture import PictureRecipe
from radiotrace.records.classification.model import ReleasedClassifier

RECORD = "model.json"
SIZE_FACTOR = 2  # how far the edges of a picture may lie beyond those that it has learnt from
WAY_OUT = "Take the folder anew: 'dvc pull build/export' brings the submitted one."


@dataclass(frozen=True)
class Told:
    """What is told of a picture.

    Attributes:
        classes: as telling.told.
        probabilities: label after the first -> calibrated probability.
        uncertainty: as telling.scores, of one prediction.
    """

    classes: tuple[str, ...]
    probabilities: Mapping[str, float]
    uncertainty: float


@dataclass(frozen=True)
class Released:
    """A model, as its folder has it.

    Attributes:
        record_sha256: of model.json.
    """

    folder: Path
    record: ReleasedClassifier
    record_sha256: str
    graph: Graph

    @property
    def recipe(self) -> PictureRecipe:
        return PictureRecipe.of(self.record.preprocessing)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names in the order of their values."""
        return tuple(self.record.labels[str(value)] for value in range(len(self.record.labels)))

    @property
    def thresholds(self) -> dict[str, float]:
        """Label after the first -> probability from which it is called."""
        return {name: self.record.operating_points[name].threshold for name in self.labels[1:]}

    def tell(self, image: Image) -> Told:
        """What is told of a picture of the recipe's orientation and spacing.

        Raises:
            StageError: the graph gives no probabilities.
        """
        names, kind = self.labels[1:], self.record.target.kind
        given = self.graph(picture.prepared(image, self.recipe)[None])["probabilities"]
        p = given.astype(np.float64)
        if p.shape != (1, len(names)) or not ((p >= 0) & (p <= 1)).all():
            raise StageError(
                "the network gives no probabilities of the labels that its record names",
                [f"found {shown_short(str(given.tolist()))}, expected {len(names)} from 0 to 1"],
                WAY_OUT,
            )
        called = p[0] >= np.array(list(self.thresholds.values()))
        return Told(
            telling.told(p[0], called, self.labels, kind),
            dict(zip(names, p[0].tolist(), strict=True)),
            telling.scores(p, kind)["score"] or 0.0,
        )


def is_there(folder: Path) -> bool:
    """Whether a folder holds a released model that tells classes, whole or not."""
    try:
        said = json.loads((folder / RECORD).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(said, dict) and "operating_points" in said


def opened(folder: Path, threads: int = 1) -> Released:
    """The model of a folder.

    Raises:
        StageError: a file is missing or was changed, or the record contradicts itself.
    """
    place = folder / RECORD
    record = ReleasedClassifier.of(records.read(place, "released_classifier"))
    if faults := contradictions(record):
        raise StageError(f"{place} contradicts itself", faults, WAY_OUT)
    file = folder / record.file
    if not file.is_file():
        raise StageError(f"{file} is missing", way_out=WAY_OUT)
    content = file.read_bytes()
    if (found := hashlib.sha256(content).hexdigest()) != record.sha256:
        raise StageError(
            f"{file} is not the file that {RECORD} describes",
            [f"SHA-256 found {found}, expected {record.sha256}"],
            WAY_OUT,
        )
    metadata = {"run_id": record.run_id, "weights_sha256": record.weights_sha256}
    return Released(folder, record, records.sha256(place), onnx_session.session(content, threads, metadata))


def contradictions(model: ReleasedClassifier) -> list[str]:
    """Where fields of a record do not fit each other."""
    values = [str(value) for value in range(len(model.labels))]
    names = [name for value, name in model.labels.items() if value != "0"]
    width, height = model.preprocessing.input_pixels
    n_channels = len(model.preprocessing.channels)
    pairs = {
        "labels": (sorted(model.labels, key=int), values),
        "operating_points": (sorted(model.operating_points), sorted(names)),
        "network.outputs": (model.network.outputs, len(names) + (model.target.kind == "class")),
        "network.image_channels": (model.network.image_channels, n_channels),
        "input.shape": (tuple(model.input.shape), ("n", n_channels, height, width)),
    }
    return [
        f"{name}: found {shown_short(str(found))}, expected {shown_short(str(expected))}"
        for name, (found, expected) in pairs.items()
        if found != expected
    ]


def misfits(
    image: Image, modality: str | None, is_spacing_known: bool, model: ReleasedClassifier
) -> tuple[list[str], list[str]]:
    """Where a picture is not one that the model was made for.

    Args:
        image: as it came, of one slice.
        modality: as a data set calls it; None where nobody says.
        is_spacing_known: whether its file says how large a pixel is.

    Returns:
        Faults, with what was found and expected; and what nobody knows.
    """
    faults, not_known = [], []
    if modality is None:
        not_known.append(f"modality: nobody says what it is, expected {model.modality or 'any'}")
    elif model.modality is not None and modality.casefold() != model.modality.casefold():
        faults.append(f"modality: found {modality}, expected {model.modality}")
    if model.preprocessing.spacing_mm is not None and not is_spacing_known:
        faults.append("size of a pixel: nobody says what it is, and the model brings pictures to one spacing")
    edges, learnt = edges_of(image.grid.size_voxels), model.edges_pixels
    of_edges = {
        "shorter": (learnt.shorter_min, learnt.shorter_max),
        "longer": (learnt.longer_min, learnt.longer_max),
    }
    for found, (name, (low, high)) in zip(edges, of_edges.items(), strict=True):
        if not low / SIZE_FACTOR <= found <= high * SIZE_FACTOR:
            faults.append(
                f"{name} edge: found {found} pixels, expected {low / SIZE_FACTOR:g} to "
                f"{high * SIZE_FACTOR:g}; it has learnt from {low} to {high}"
            )
    for values, channel in zip(image.values_czyx, image.channels, strict=True):
        if values.min() == values.max():
            faults.append(
                f"{channel.name or 'the picture'}: every pixel is {values.flat[0]:g}, expected a picture"
            )
    return faults, not_known


def edges_of(size_voxels: tuple[int, ...]) -> tuple[int, int]:
    """The shorter and the longer edge of a picture, in pixels, whichever of its axes has one slice."""
    shorter, longer = sorted(size_voxels)[-2:]
    return shorter, longer
