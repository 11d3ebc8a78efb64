"""Curves: the history of a run as `dvc plots` and the editors that know DVC read it, after each epoch.

Written by dvclive's own code for one metric. dvclive.Live, which wraps it, would post to a server wherever an
account is set up.
"""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dvclive.plots.metric import Metric

NUMBERS = ("train_loss", "learning_rate")  # of an epoch, beside its scores


class Curves:
    """plots/metrics/NAME.tsv for each number of the history, with columns step (the epoch) and the number.

    Args:
        folder: made anew with the first epoch that is done; what a run before it left stays until then.
        history: epochs that an earlier process has done.
        measure: of the scores.
    """

    def __init__(self, folder: Path, history: Iterable[Mapping[str, Any]], measure: str):
        self.folder, self.scored = Path(folder), f"validation_{measure}"
        self.begun = False
        for row in history:
            self.epoch(row)

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Adds a row of the history. A score that is undefined has no row."""
        if not self.begun:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            self.begun = True
        numbers = {name: row[name] for name in NUMBERS}
        numbers |= {f"{self.scored}/{name}": score for name, score in row[self.scored].items()}
        for name, number in numbers.items():
            if number is not None:
                curve = Metric(name, str(self.folder / "plots"))
                curve.step = row["epoch"]
                curve.dump(number)
