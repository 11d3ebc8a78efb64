"""Tables with outcomes in tests, by a seed: what is true of them is known."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

N = 300
HORIZON = 24
GRADES = ("low", "middle", "high")
LOG_RATIO = {"age_years": 0.04, "marker": 0.8, "high": 0.9}  # of hazards and odds; no other column counts


def rows(kind: str, n: int = N, seed: int = 0) -> list[dict[str, str]]:
    """Rows of cases.csv.

    Args:
        kind: binary or survival.
    """
    rng = np.random.default_rng([seed, 7])
    age, marker, nothing = rng.normal(60, 10, n), rng.normal(0, 1, n), rng.normal(0, 1, n)
    grade, site = rng.integers(0, 3, n), rng.integers(0, 2, n)
    linear = (
        LOG_RATIO["age_years"] * (age - 60) + LOG_RATIO["marker"] * marker + LOG_RATIO["high"] * (grade == 2)
    )
    happened = rng.random(n) < 1 / (1 + np.exp(0.8 - linear))
    time, end = rng.exponential(40 / np.exp(linear)), rng.uniform(6, 60, n)
    unknown = rng.random(n) < 0.1
    found = []
    for number in range(n):
        row = {
            "case_id": f"row_{number:03d}",
            "subject_id": f"person_{number:03d}",
            "age_years": f"{age[number]:.1f}",
            "marker": "n/a" if unknown[number] else f"{marker[number]:.3f}",
            "nothing": f"{nothing[number]:.3f}",
            "grade": GRADES[grade[number]],
            "site": "AB"[site[number]],
        }
        if kind == "binary":
            row["outcome"] = "sick" if happened[number] else "well"
        else:
            is_seen = time[number] <= end[number]
            row["outcome"] = "sick" if is_seen else "well"
            row["months"] = f"{max(min(time[number], end[number]), 0.1):.1f}"
        found.append(row)
    return found


def declaration(kind: str) -> dict[str, Any]:
    """dataset.json."""
    columns: dict[str, Any] = {
        "outcome": {"role": "target", "kind": "class"},
        "age_years": {"role": "feature", "kind": "number", "unit": "years", "minimum": 0, "maximum": 120},
        "marker": {"role": "feature", "kind": "number", "unit": "mg/l", "minimum": -10, "maximum": 10},
        "nothing": {"role": "feature", "kind": "number", "unit": ""},
        "grade": {"role": "feature", "kind": "category", "categories": list(GRADES), "attribute": True},
    }
    if kind == "survival":
        columns["months"] = {"role": "target", "kind": "number", "unit": "months", "minimum": 0}
    return {
        "name": "made by a seed",
        "licence": "CC0-1.0",
        "labels": {"0": "well", "1": "sick"},
        "columns": columns,
        "known_later": ["discharge"],
    }


def write(folder: Path, kind: str, of: list[dict[str, str]] | None = None, **declared: Any) -> Path:
    """The folder, with both files in it.

    Args:
        of: rows; those of the kind where there are none.
        declared: what dataset.json has otherwise.
    """
    folder.mkdir(parents=True, exist_ok=True)
    of = rows(kind) if of is None else of
    text = io.StringIO()
    writer = csv.DictWriter(text, list(of[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(of)
    (folder / "cases.csv").write_text(text.getvalue())
    (folder / "dataset.json").write_text(json.dumps(declaration(kind) | declared))
    return folder
