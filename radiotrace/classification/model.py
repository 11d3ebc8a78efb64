"""Model: a trained classifier, as the stages after train take it up, and what it says of a picture."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

from radiotrace.classification import augmentation, networks
from radiotrace.classification.networks import Classifier
from radiotrace.errors import StageError
from radiotrace.inference.picture import Kind, PictureRecipe
from radiotrace.learning import dropout, state
from radiotrace.pipeline import randomness
from radiotrace.records.classification.train import ClassificationRun

BATCH = 64  # pictures that go through at once


@dataclass(frozen=True, eq=False)
class TrainedClassifier:
    """What a run left.

    Attributes:
        network: in evaluation mode.
        labels: in the order of their values.
    """

    run: ClassificationRun
    network: Classifier
    recipe: PictureRecipe
    labels: tuple[str, ...]

    @property
    def kind(self) -> Kind:
        """Whether a case has one class, or some of several."""
        return self.run.target.kind

    @property
    def names(self) -> tuple[str, ...]:
        """The labels after the first."""
        return self.labels[1:]

    @classmethod
    def of(cls, run: ClassificationRun, weights: str | Path) -> "TrainedClassifier":
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
        labels = tuple(run.labels[str(value)] for value in range(len(run.labels)))
        network.eval()
        return cls(run, network, PictureRecipe.of(run.preprocessing), labels)

    def places(self, pixels_ncyx: np.ndarray) -> torch.Tensor:
        """Features by place of prepared pictures, (n, channels, y, x)."""
        parts = []
        with torch.inference_mode():
            for start in range(0, len(pixels_ncyx), BATCH):
                parts.append(self.network.places(torch.from_numpy(pixels_ncyx[start : start + BATCH])))
        return torch.cat(parts)

    def embeddings(self, pixels_ncyx: np.ndarray) -> np.ndarray:
        """By which the network itself tells pictures apart, (n, channels) float64: means of features over
        place."""
        return self.places(pixels_ncyx).double().mean((2, 3)).numpy()

    def logits(self, pixels_ncyx: np.ndarray) -> np.ndarray:
        """Of prepared pictures, (n, outputs) float32."""
        return self.told(self.places(pixels_ncyx))

    def told(self, places: torch.Tensor) -> np.ndarray:
        """Logits of features by place, (n, outputs) float32."""
        with torch.inference_mode():
            return self.network.told(places).float().numpy()

    def dropped(self, places: torch.Tensor, case_ids: Sequence[str], seed: int, passes: int) -> np.ndarray:
        """Logits with other features dropped out in each pass, (n, passes, outputs)."""
        found = []
        for number in range(passes):
            rngs = [randomness.generator(seed, "dropout", case_id, number) for case_id in case_ids]
            dropout.draw(self.network, rngs)
            found.append(self.told(places))
        dropout.draw(self.network, None)
        return np.stack(found, 1) if found else np.zeros((len(case_ids), 0, self.run.network.outputs))

    def varied(
        self,
        pixels_ncyx: np.ndarray,
        case_ids: Sequence[str],
        settings: augmentation.Settings,
        seed: int,
        passes: int,
    ) -> np.ndarray:
        """Logits of each picture varied as in training, (n, passes, outputs)."""
        found = []
        for number in range(passes):
            other = [
                augmentation.varied(
                    pixels, settings, randomness.generator(seed, "augmentation", case_id, number)
                ).numpy()
                for pixels, case_id in zip(pixels_ncyx, case_ids, strict=True)
            ]
            found.append(self.logits(np.stack(other)))
        return np.stack(found, 1) if found else np.zeros((len(case_ids), 0, self.run.network.outputs))
