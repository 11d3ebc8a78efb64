"""Progress: what the person waiting sees, in the terminal and in TensorBoard.

Nothing of it is an output of the stage but the curves.
"""

import time

from radiotrace import errors
from radiotrace.learning.curves import Curves

EVERY_S = 20  # a line at least so often, on machines and data where an epoch takes long
# of an epoch, for charts
NUMBERS = ("train_loss", "learning_rate", "gradient_norm_median", "gradient_norm_max")


class Progress:
    """Tells how training goes on.

    Args:
        epochs, steps: of the whole run, and of an epoch.
        done: epochs that an earlier process has done.
        tensorboard: folder of event files; None for none.
        shown: whether this process speaks; of several, one does.
        curves: of the run; None for none.
    """

    def __init__(
        self, epochs: int, steps: int, done: int, tensorboard, shown: bool, curves: Curves | None = None
    ):
        self.curves = curves
        self.epochs, self.steps, self.done, self.shown = epochs, steps, done, shown
        self.started = self.last = time.monotonic()
        self.writer = None
        if tensorboard and shown:
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(str(tensorboard), purge_step=done + 1)

    def step(self, epoch: int, step: int, loss: float) -> None:
        """After a step, both counted from 1."""
        if self.shown and time.monotonic() - self.last >= EVERY_S and step < self.steps:
            self._say(epoch, f"step {step}/{self.steps}  loss {loss:.3f}", (epoch - 1) * self.steps + step)

    def epoch(self, row: dict, measure: str) -> None:
        """After an epoch: a row of the history, and the measure of its scores."""
        if not self.shown:
            return
        scores = {name: value for name, value in row[f"validation_{measure}"].items() if value is not None}
        shown = [f"  validation {measure} {name} {value:.3f}" for name, value in scores.items()]
        self._say(row["epoch"], f"loss {row['train_loss']:.3f}{''.join(shown)}", row["epoch"] * self.steps)
        if self.curves:
            self.curves.epoch(row)
        if self.writer:
            values = {name: row[name] for name in NUMBERS}
            values |= {f"validation_{measure}/{name}": value for name, value in scores.items()}
            for name, value in values.items():
                if value is not None:
                    self.writer.add_scalar(name, value, row["epoch"])
            self.writer.flush()

    def _say(self, epoch: int, text: str, steps_done: int) -> None:
        self.last = time.monotonic()
        of_this_process = steps_done - self.done * self.steps
        left_s = (self.last - self.started) / of_this_process * (self.epochs * self.steps - steps_done)
        errors.log(f"train: epoch {epoch}/{self.epochs}  {text}  {_minutes(left_s)} left")


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
