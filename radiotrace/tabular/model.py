"""Model: from rows of a table to risks, whatever was fitted.

A risk is the inverse of its link of a link value: the logit of a binary outcome, log(-log(1 - risk)) of an
event by the horizon, to which the log cumulative hazard of the baseline is added. Calibration is a line on
that scale.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import safetensors.numpy
from scipy import special

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.records.tabular.feature import Kind
from radiotrace.statistics.cox import Baseline
from radiotrace.tabular import scores
from radiotrace.tabular.encoding import Encoding
from radiotrace.tabular.scores import Linear, Trees

ModelName = Literal["linear", "boosting"]
MODELS: tuple[ModelName, ...] = ("linear", "boosting")
SMALLEST = 1e-9  # risk, from 0 and from 1


@dataclass(frozen=True)
class RiskModel:
    """A fitted model.

    Attributes:
        encoding: of rows. score: of what it makes of them.
        baseline: of an event in time, its cumulative hazard; None of a binary outcome.
        horizon: by which the risk is told, in the unit of time; None likewise.
    """

    encoding: Encoding
    score: Linear | Trees
    baseline: Baseline | None
    horizon: float | None

    @property
    def kind(self) -> Kind:
        """Of the outcome."""
        return "binary" if self.baseline is None else "survival"

    @property
    def offset(self) -> float:
        """What is added to a score: the log cumulative hazard of the baseline by the horizon, or 0."""
        if self.baseline is None or self.horizon is None:
            return 0.0
        return float(np.log(np.maximum(self.baseline.at(np.array([self.horizon]))[0], 1e-300)))

    def link_values(self, x: np.ndarray) -> np.ndarray:
        """(n,) float64, of rows (n, k) with NaN."""
        return self.score(self.encoding(x)) + self.offset

    def arrays(self) -> dict[str, np.ndarray]:
        """As the file of weights has it."""
        found = {**self.encoding.arrays(), **self.score.arrays()}
        if self.baseline is not None:
            found |= {"baseline_time": self.baseline.time, "baseline_hazard": self.baseline.hazard}
        return {name: np.ascontiguousarray(array) for name, array in found.items()}


@dataclass(frozen=True)
class Line:
    """Calibration on the scale of the link: intercept + slope x link value."""

    slope: float = 1.0
    intercept: float = 0.0


AS_IT_IS = Line()


def risks(link_values: np.ndarray, kind: Kind, line: Line = AS_IT_IS) -> np.ndarray:
    """Risks, of link values."""
    values = line.intercept + line.slope * np.asarray(link_values, float)
    found = special.expit(values) if kind == "binary" else -np.expm1(-np.exp(np.clip(values, -700, 700)))
    return np.clip(found, SMALLEST, 1 - SMALLEST)


def linked(risk: np.ndarray, kind: Kind) -> np.ndarray:
    """Link values, of risks that are neither 0 nor 1."""
    risk = np.clip(np.asarray(risk, float), SMALLEST, 1 - SMALLEST)
    return special.logit(risk) if kind == "binary" else np.log(-np.log1p(-risk))


def to_bytes(models: Mapping[str, RiskModel]) -> bytes:
    """The file of weights of several models, by name."""
    named = {
        f"{name}.{key}": array for name, model in models.items() for key, array in model.arrays().items()
    }
    return safetensors.numpy.save(dict(sorted(named.items())))


def read(path: Path | str, sha256: str, horizon: float | None) -> dict[str, RiskModel]:
    """The models of a file of weights, by name.

    Raises:
        StageError: it is not the file that the record of the run has.
    """
    content = Path(path).read_bytes() if Path(path).is_file() else b""
    if not content or records.sha256(path) != sha256:
        raise StageError(
            f"{path} is not the file of the run", way_out="Run 'dvc checkout', then 'dvc repro'."
        )
    return of_bytes(content, horizon)


def of_bytes(content: bytes, horizon: float | None) -> dict[str, RiskModel]:
    """As `to_bytes` wrote them."""
    arrays = safetensors.numpy.load(content)
    found = {}
    for name in sorted({key.partition(".")[0] for key in arrays}):
        own = {
            key.removeprefix(f"{name}."): array for key, array in arrays.items() if key.startswith(f"{name}.")
        }
        has_baseline = "baseline_time" in own
        baseline = Baseline(own["baseline_time"], own["baseline_hazard"]) if has_baseline else None
        found[name] = RiskModel(Encoding.of(own), scores.of(own), baseline, horizon)
    return found
