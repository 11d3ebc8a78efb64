"""A released model: the folder that export writes, checked before anything is predicted with it, and what an
image must be for it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from radiotrace import records
from radiotrace.errors import StageError, shown_short
from radiotrace.imaging import foreground
from radiotrace.imaging.image import Image
from radiotrace.inference import model_record, released_variant
from radiotrace.inference.recipe import Recipe
from radiotrace.inference.released_variant import ReleasedVariant
from radiotrace.inference.sliding import Network
from radiotrace.records.model import Extremes, ReleasedModel

LABELS_MAX = 256  # of uint8
WAY_OUT = "Take the folder anew: 'dvc pull build/export' brings the submitted one."


@dataclass(frozen=True)
class Released:
    """A model, as its folder has it.

    Attributes:
        record_sha256: of model.json.
        variant: of the network, that predicts in its place.
    """

    folder: Path
    record: ReleasedModel
    record_sha256: str
    variant: ReleasedVariant | None = None

    @property
    def network_sha256(self) -> str:
        """Of the files of what predicts."""
        return self.record.sha256 if self.variant is None else self.variant.files_sha256

    @property
    def recipe(self) -> Recipe:
        return Recipe.of(self.record.preprocessing)

    @property
    def names(self) -> dict[int, str]:
        """Value -> name of each label but the background, in the order of their values."""
        named = {int(value): name for value, name in self.record.labels.items() if value != "0"}
        return dict(sorted(named.items()))


def opened(folder: Path) -> Released:
    """The model of a folder.

    Raises:
        StageError: a file is missing or was changed.
    """
    place = folder / model_record.RECORD
    if not folder.is_dir() or not place.is_file():
        raise StageError(
            f"{folder} is no released model: {model_record.RECORD} is not in it",
            way_out="Name the folder that export wrote, such as build/export; 'dvc pull' brings it.",
        )
    record = ReleasedModel.of(records.read(place, "released_model"))
    if faults := contradictions(record):
        raise StageError(
            f"{place} contradicts itself, or says what this software does not do", faults, WAY_OUT
        )
    _content(folder, record.file, record.sha256)
    return Released(folder, record, records.sha256(place))


def contradictions(model: ReleasedModel) -> list[str]:
    """Where fields of a record do not fit each other, or have other values than those that this code works
    with."""
    n_labels = len(model.labels)
    values = [str(value) for value in range(n_labels)]
    pairs = {
        "labels": (sorted(model.labels, key=int), values),
        "label_details": (sorted(model.label_details, key=int), values[1:]),
        "network.labels": (model.network.labels, n_labels),
        "input": (model.input, model_record.INPUT),
        "output": (model.output, model_record.OUTPUT),
        "logit_offsets of preprocessing": (model.preprocessing.logit_offsets, None),
    }
    stated, done = model.inference, model_record.INFERENCE
    numbers = ("padding_value", "window_overlap", "window_sigma", "window_weight_min")
    pairs |= {f"inference.{name}": (getattr(stated, name), getattr(done, name)) for name in numbers}
    faults = [
        f"{name}: found {shown_short(str(found))}, expected {shown_short(str(expected))}"
        for name, (found, expected) in pairs.items()
        if found != expected
    ]
    if n_labels > LABELS_MAX:
        faults.append(f"labels: found {n_labels}, at most {LABELS_MAX} fit into a label map")
    golden = [path for case in model.golden for path in (*case.images, case.label_map)]
    faults += [
        f"files: has no {shown_short(path)}, which golden names" for path in golden if path not in model.files
    ]
    return faults


def _content(folder: Path, file: str, sha256: str) -> bytes:
    """The bytes of the network's file, which are those that were hashed."""
    if not (folder / file).is_file():
        raise StageError(f"{folder / file} is missing", way_out=WAY_OUT)
    content = (folder / file).read_bytes()
    if (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise StageError(
            f"{folder / file} is not the file that {model_record.RECORD} describes",
            [f"SHA-256 found {found}, expected {sha256}"],
            WAY_OUT,
        )
    return content


def network(model: Released) -> Network:
    """The network of a model, in the process that predicts.

    Raises:
        StageError: its file is missing, was changed, is of another model.json, or is none that ONNX Runtime
            loads.
    """
    record = model.record
    metadata = tuple(model_record.metadata(record).items())
    released = _network(model.folder, record.file, record.sha256, metadata, record.params.threads)
    # also where a variant takes its place: the record that both go by is held against the network
    chosen = (
        released if model.variant is None else released_variant.network(model.variant, record.params.threads)
    )

    def with_its_labels(patch: np.ndarray) -> np.ndarray:
        logits = chosen(patch)
        if logits.ndim != patch.ndim or logits.shape[1] != len(record.labels):
            raise StageError(
                "the network gives other labels than its record names",
                [f"logits of {logits.shape}, expected {len(record.labels)} labels"],
            )
        return logits

    return with_its_labels


@lru_cache(maxsize=1)  # for all cases of a process
def _network(folder: Path, file: str, sha256: str, metadata: tuple, threads: int) -> Network:
    from radiotrace.inference import onnx_network  # here, because a look at a model needs no runtime

    return onnx_network.of(_content(folder, file, sha256), threads, dict(metadata))


def misfits(image: Image, modality: str | None, model: ReleasedModel) -> tuple[list[str], list[str]]:
    """Where an image is not one that the model was made for.

    Intensities are held against those that the model has learnt from where their scale means something: in
    CT, and where images are normalised by numbers of the run. Elsewhere each image is normalised by its own.

    Args:
        image: turned to the model's orientation, of its own spacing.
        modality: as a data set calls it; None where nobody says.

    Returns:
        Faults, with what was found and expected; and what nobody knows.
    """
    faults, not_known = [], []
    if modality is None:
        not_known.append(f"modality: nobody says what it is, expected {model.modality or 'any'}")
    elif model.modality is not None and modality.casefold() != model.modality.casefold():
        faults.append(f"modality: found {modality}, expected {model.modality}")
    learnt, how = model.images, "it has learnt from" if model.learnt_from else "it was tried on"
    size_mm = [n * edge for n, edge in zip(image.grid.size_voxels, image.grid.spacing_mm, strict=True)]
    faults += _beyond(
        "spacing", image.grid.spacing_mm, learnt.spacing_mm, model.inference.spacing_factor, how
    )
    faults += _beyond("size", size_mm, learnt.size_mm, model.inference.size_factor, how)
    recipe = Recipe.of(model.preprocessing)
    part, _ = foreground.cut(image, recipe.crop)  # what the ranges of the model are of
    for values, channel, seen in zip(part.values_czyx, recipe.channels, learnt.intensity, strict=True):
        name = channel.name or "the image"
        if values.min() == values.max():
            faults.append(f"intensity of {name}: every voxel is {values.flat[0]:g}, expected an image")
        elif channel.modality == "CT" or channel.intensities:
            if seen.low is None or seen.high is None:
                continue  # no image that it learnt from says
            width = seen.high - seen.low
            low, high = np.percentile(values, (0.5, 99.5))
            if low < seen.low - width or high > seen.high + width:
                faults.append(
                    f"intensity of {name}: found {low:g} to {high:g} (0.5th and 99.5th percentile), expected "
                    f"within {seen.low - width:g} to {seen.high + width:g}: what {how}, and as "
                    f"much again on either side"
                )
    return faults, not_known


def _beyond(what: str, found_mm: Sequence[float], seen: Extremes, factor: float, how: str) -> list[str]:
    return [
        f"{what} along {axis}: found {found:.4g} mm, expected {low / factor:.4g} to {high * factor:.4g} mm; "
        f"{how} {low:.4g} to {high:.4g} mm"
        for axis, found, low, high in zip("xyz", found_mm, seen.low, seen.high, strict=True)
        if not low / factor * (1 - 1e-6) <= found <= high * factor * (1 + 1e-6)
    ]
