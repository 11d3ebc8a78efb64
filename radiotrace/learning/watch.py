"""Watch: notices numbers that go wrong in training, and stops while the cause can still be named."""

import math
import statistics
from collections.abc import Sequence

from radiotrace.errors import StageError

SPIKE = 10  # times the median gradient of the epoch so far
OVERFLOWS = 20  # steps in a row that fp16 may leave out while its loss scale falls


class Watch:
    """Watches one epoch.

    `events` lists what was noticed and survived; what cannot be survived raises StageError.

    Args:
        epoch: from 1.
        steps: of the epoch.
        gradient_limit: longest gradient, before clipping, that training survives.
        scaled: whether the loss is scaled (fp16), so that an infinite gradient means a step left out.
        history_file: what to name as the place of the partial history.
    """

    def __init__(self, epoch: int, steps: int, gradient_limit: float, scaled: bool, history_file):
        self.epoch, self.steps, self.gradient_limit, self.scaled, self.history_file = (
            epoch,
            steps,
            gradient_limit,
            scaled,
            history_file,
        )
        self.norms: list[float] = []
        self.events: list[dict] = []
        self.overflows = 0

    def loss(self, values: list[float], case_ids: list[str], step: int) -> None:
        """The loss of each sample of a step, from 1."""
        if bad := [
            (case_id, value)
            for case_id, value in zip(case_ids, values, strict=True)
            if not math.isfinite(value)
        ]:
            self._stop(
                f"loss is {bad[0][1]}",
                step,
                [case_id for case_id, _ in bad],
                "Look at these cases; or lower train.learning_rate in params.yaml, then run 'dvc repro'.",
            )

    def gradient(self, norm: float, case_ids: list[str], step: int) -> None:
        """The length of a step's gradient before clipping."""
        if not math.isfinite(norm) and self.scaled and self.overflows < OVERFLOWS:
            self.overflows += 1
            self.events.append(
                {"kind": "step_left_out", "step": step, "gradient_norm": None, "cases": case_ids}
            )
            return
        if not norm <= self.gradient_limit:
            self._stop(
                f"gradient norm is {norm:.4g}, limit {self.gradient_limit:g}",
                step,
                case_ids,
                "Lower train.learning_rate or raise train.warm_up in params.yaml; or look at these "
                "cases; then run 'dvc repro'.",
            )
        self.overflows = 0
        if len(self.norms) >= SPIKE and norm > SPIKE * statistics.median(self.norms):
            self.events.append(
                {"kind": "gradient_spike", "step": step, "gradient_norm": norm, "cases": case_ids}
            )
        self.norms.append(norm)

    def summary(self, clip: float) -> dict:
        """What the history keeps of the epoch."""
        return {
            "gradient_norm_median": statistics.median(self.norms) if self.norms else None,
            "gradient_norm_max": max(self.norms, default=None),
            "steps_clipped": sum(norm > clip for norm in self.norms),
            "events": self.events,
        }

    def validation(
        self, measure: str, means: Sequence[float | None], zero_epochs: int, case_ids: Sequence[str]
    ) -> None:
        """The mean score of the validation part in each epoch so far; None where it is undefined."""
        if len(means) == zero_epochs and all(mean is not None and mean < 1e-6 for mean in means):
            self._stop(
                f"validation {measure} has been 0 for {zero_epochs} epochs",
                self.steps,
                case_ids,
                "Check that labels and images belong together ('metrics/' of an earlier run, or a "
                "viewer); or change train.learning_rate, "
                "train.loss, or train.zero_epochs in params.yaml; then run 'dvc repro'.",
            )

    def _stop(self, headline: str, step: int, case_ids: Sequence[str], way_out: str):
        raise StageError(
            f"{headline} in epoch {self.epoch}, step {step} of {self.steps}",
            [f"cases {', '.join(case_ids)}", f"the epochs before are in {self.history_file}"],
            way_out,
        )
