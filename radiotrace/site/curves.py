"""Learning curves of this run, and of another one beside it."""

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from radiotrace.drawing import curves
from radiotrace.evidence.pages.elements import in_words
from radiotrace.site import frame
from radiotrace.site.left import TRAIN, Left
from radiotrace.site.summary import Told, clean

PAGE = "curves.html"
EPOCHS = "evidence/epochs.json"
SCORE = "validation_"


@dataclass(frozen=True)
class History:
    """What a run says of its epochs.

    Attributes:
        name: of the run, for people; source: the record that has the epochs, key: where in it.
        commit: of the run; "" for what lies here.
        rows: of each epoch; params: of the section train, None where the record has none.
    """

    name: str
    run_id: str
    source: str
    key: str
    commit: str
    rows: tuple[dict[str, Any], ...]
    params: dict[str, Any] | None

    @property
    def score(self) -> str:
        """The key of what was measured on the validation part; "" where nothing was."""
        keys = {key for row in self.rows for key in row if key.startswith(SCORE)}
        return min(keys, default="")

    @property
    def labels(self) -> list[str]:
        """The labels that were scored."""
        rows = [row.get(self.score) for row in self.rows]
        return sorted({label for row in rows if isinstance(row, dict) for label in row})


def history(name: str, source: str, record: Any, commit: str = "") -> History | None:
    """The history in a record of training or of epochs; None where it has none."""
    record = record if isinstance(record, dict) else {}
    key = "history" if "history" in record else "epochs"
    rows = record.get(key)
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        return None
    params = record.get("params")
    return History(
        name,
        str(record.get("run_id", "unknown")),
        source,
        key,
        commit,
        tuple(rows),
        params if isinstance(params, dict) else None,
    )


def of_left(left: Left) -> History | None:
    """The history of what lies here."""
    for path in (TRAIN, EPOCHS):
        made = history("this run", path, left.value(path))
        if made:
            return made
    return None


def page(left: Left, others: Sequence[History], pages: Sequence[str]) -> str:
    """The page's body."""
    own = of_left(left)
    runs = [run for run in (own, *others) if run]
    told = Told(left, PAGE, pages)
    measure = next((run.score for run in runs if run.score), "").removeprefix(SCORE).replace("_", " ")
    shown = []
    for run in runs:
        shown.append(
            {
                "name": clean(run.name),
                "run_id": clean(run.run_id),
                "source": clean(run.source),
                "commit": clean(run.commit),
                "labels": [clean(label) for label in run.labels],
                "rows": _rows(run, told if run is own else None),
            }
        )
    return frame.ENVIRONMENT.get_template("curves.html").render(
        runs=shown,
        measure=clean(measure) or "none",
        chart=base64.b64encode(chart(runs, measure)).decode() if runs else "",
        alt=" ".join(map(_told, runs)),
        differences=_differences(runs),
        source=TRAIN,
    )


def chart(runs: Sequence[History], measure: str) -> bytes:
    """The curves of runs as SVG."""
    drawn = []
    for run in runs:
        scores = {label: [_number(_score(run, row, label)) for row in run.rows] for label in run.labels}
        epochs: list[Any] = [row.get("epoch") for row in run.rows]
        are_numbers = all(isinstance(epoch, int) and abs(epoch) < 10**9 for epoch in epochs)
        drawn.append(
            curves.Curve(
                _drawable(run.name),
                epochs if are_numbers else list(range(1, len(run.rows) + 1)),
                [_number(row.get("train_loss")) for row in run.rows],
                {_drawable(label): values for label, values in scores.items()},
            )
        )
    return curves.learning(drawn, _drawable(measure or "nothing measured"))


def _drawable(text: str) -> str:
    """A text in one line, of characters that a font can have."""
    return "".join(letter if letter.isprintable() else "?" for letter in clean(text))


def _score(run: History, row: dict, label: str) -> Any:
    scores = row.get(run.score)
    return scores.get(label) if isinstance(scores, dict) else None


def _number(value: Any) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None


def _rows(run: History, told: Told | None) -> list[list[Any]]:
    """Cells of each epoch; with `told` they lead to the record."""
    rows = []
    for number, row in enumerate(run.rows):
        cells = []
        places = [("epoch",), ("train_loss",), ("learning_rate",)]
        places += [(run.score, label) for label in run.labels]
        for place in places:
            value: Any = row
            for key in place:
                value = value.get(key) if isinstance(value, dict) else None
            if told is None or value is None:
                cells.append(clean("" if value is None else in_words(value)))
            else:
                cells.append(told.value(run.source, run.key, number, *place))
        rows.append(cells)
    return rows


def _told(run: History) -> str:
    """What the chart shows of a run, for those who do not see it."""
    first, last = run.rows[0], run.rows[-1]
    parts = [f"training loss {_words(first.get('train_loss'))} to {_words(last.get('train_loss'))}"]
    for label in run.labels:
        ends = (_words(_score(run, row, label)) for row in (first, last))
        parts.append(f"{label} {' to '.join(ends)}")
    return clean(f"{run.name}, first to last of {len(run.rows)} epochs: {'; '.join(parts)}.")


def _words(value: Any) -> str:
    return in_words(value) if value is not None else "not measured"


def _differences(runs: Sequence[History]) -> list[list[Any]] | None:
    """Parameters of train that are not the same in all runs; None where one has no record of them."""
    if not all(run.params is not None for run in runs):
        return None
    params = [run.params or {} for run in runs]
    rows = []
    for key in sorted({key for section in params for key in section}):
        values = [section.get(key) for section in params]
        if any(value != values[0] for value in values):
            rows.append([clean(key), *(clean(_short(value)) for value in values)])
    return rows


def _short(value: Any) -> str | Markup:
    return "none" if value is None else in_words(value)
