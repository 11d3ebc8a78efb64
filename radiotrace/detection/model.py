"""Model: a trained detector, as the stages after train take it up, and what it finds in an image."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

from radiotrace.detection import decoding, examples, networks, preparation
from radiotrace.detection.decoding import Boxes, Selection
from radiotrace.detection.networks import Detector
from radiotrace.detection.preparation import ImageRecipe
from radiotrace.errors import StageError
from radiotrace.imaging.image import Image
from radiotrace.learning import state
from radiotrace.records.detection.prediction import FoundBox, Prediction
from radiotrace.records.detection.train import DetectionRun


@dataclass(frozen=True, eq=False)
class TrainedDetector:
    """What a run left.

    Attributes:
        network: in evaluation mode.
        names: of the labels, in the order of their values.
    """

    run: DetectionRun
    network: Detector
    recipe: ImageRecipe
    names: tuple[str, ...]

    @classmethod
    def of(cls, run: DetectionRun, weights: str | Path) -> "TrainedDetector":
        """Of the record of the run, and the path of its weights.

        Raises:
            StageError: the weights are of another run.
        """
        content = Path(weights).read_bytes()  # once: what is loaded is what was hashed
        if (digest := hashlib.sha256(content).hexdigest()) != run.weights_sha256:
            raise StageError(
                f"{weights} was changed after training",
                [f"SHA-256 found {digest}, expected {run.weights_sha256}"],
                "Run 'dvc checkout' to restore it, or 'dvc repro' to make it again.",
            )
        network = networks.build(run.network, seed=0)
        state.load(network, safetensors.torch.load(content))
        recipe = ImageRecipe.of(run.preprocessing, run.network.axes)
        return cls(run, network.eval(), recipe, examples.names_of(run.labels))

    def cells(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Heat (classes, …), as probabilities, and corners (2 * axes, …) of each cell of a prepared image."""
        with torch.inference_mode():
            found = self.network(torch.from_numpy(values)[None])
            heat = torch.sigmoid(found.heat[0].float()).numpy()
            sides = found.sides[0].float().numpy()
        return heat, decoding.corners_of(sides, self.run.network.cell_voxels)

    def predicted(self, image: Image, selection: Selection) -> Prediction:
        """The boxes of a canonical image."""
        cells = self.cells(preparation.prepared(image, self.recipe))
        found = decoding.decoded(*cells, self.run.network.cell_voxels, selection)
        return prediction(found, image.grid.size_voxels, self.recipe, self.names)


def prediction(
    found: Boxes, size_xyz: tuple[int, ...], recipe: ImageRecipe, names: tuple[str, ...]
) -> Prediction:
    """Boxes of an input, as records have them."""
    low, high = preparation.to_canonical(found.corners, size_xyz, recipe)
    ends = (map(tuple, corners.tolist()) for corners in (low, high))
    rows = zip(found.labels, found.scores, *ends, strict=True)
    return Prediction(
        tuple(FoundBox(names[label], float(score), lower, upper) for label, score, lower, upper in rows)
    )
