"""Tables that installed packages ship, laid out as data of a study; each held against the hash of its file.

No stage stands on it. WDBC comes with scikit-learn, which the pipeline has; GBSG2 with lifelines, of which
this file alone is wanted: it asks for pandas below 3, so that 'make tables' lays it beside the environment,
in .venv/tables, and nothing of it is ever imported.
"""

import csv
import hashlib
import importlib.util
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radiotrace import records
from radiotrace.errors import StageError

BESIDE = Path(".venv/tables")
Row = dict[str, str]


@dataclass(frozen=True)
class Shipped:
    """A table of a package.

    Attributes:
        package: that ships it. path: of the file, below site-packages.
        sha256: of the file, as it was when its rows were looked at.
        about: dataset.json, without columns. columns: of dataset.json.
        rows: text of the file -> rows of cases.csv.
        way_out: where the file is not there.
    """

    package: str
    path: str
    sha256: str
    about: Mapping[str, Any]
    columns: Mapping[str, Mapping[str, Any]]
    rows: Callable[[str], list[Row]]
    way_out: str

    def found(self) -> Path:
        """Where the file lies.

        Raises:
            StageError: nowhere, or it is another one.
        """
        places = [BESIDE / self.path]
        found = importlib.util.find_spec(self.path.partition("/")[0])
        if found is not None and found.origin is not None:
            places.append(Path(found.origin).parent.parent / self.path)
        there = next((place for place in places if place.is_file()), None)
        if there is None:
            raise StageError(f"{self.path} of {self.package} is not there", way_out=self.way_out)
        digest = hashlib.sha256(there.read_bytes()).hexdigest()
        if digest != self.sha256:
            raise StageError(
                f"{there}: SHA-256 found {digest[:12]}…, expected {self.sha256[:12]}…: it is another table",
                way_out=self.way_out,
            )
        return there

    def write(self, out: Path) -> int:
        """Writes dataset.json and cases.csv into a folder; how many rows.

        Raises:
            StageError: as `found`.
        """
        rows = self.rows(self.found().read_text("utf-8"))
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        declared = {**self.about, "columns": self.columns}
        records.write_bytes(out / "cases.csv", text.getvalue().encode())
        written = json.dumps(declared, indent=2, ensure_ascii=False) + "\n"
        records.write_bytes(out / "dataset.json", written.encode())
        return len(rows)


def _number(unit: str, low: float, high: float, **more: Any) -> dict[str, Any]:
    return {"role": "feature", "kind": "number", "unit": unit, "minimum": low, "maximum": high, **more}


def _category(*words: str, **more: Any) -> dict[str, Any]:
    return {"role": "feature", "kind": "category", "categories": list(words), **more}


def _gbsg2(text: str) -> list[Row]:
    found = []
    for number, row in enumerate(csv.DictReader(io.StringIO(text)), 1):
        found.append(
            {
                "case_id": f"gbsg2_{number:03d}",
                "subject_id": f"gbsg2_{number:03d}",
                "age_years": row["age"],
                "menopause": row["menostat"].lower(),
                "hormone_therapy": row["horTh"],
                "tumour_size_mm": row["tsize"],
                "tumour_grade": row["tgrade"],
                "positive_nodes": row["pnodes"],
                "progesterone_receptor": row["progrec"],
                "oestrogen_receptor": row["estrec"],
                "time_days": row["time"],
                "outcome": "recurrence" if row["cens"] == "1" else "no recurrence",
            }
        )
    return found


WDBC_MEASURES = (
    "radius",
    "texture",
    "perimeter",
    "area",
    "smoothness",
    "compactness",
    "concavity",
    "concave_points",
    "symmetry",
    "fractal_dimension",
)
WDBC_FEATURES = tuple(f"{of}_{name}" for of in ("mean", "error", "worst") for name in WDBC_MEASURES)
HIGHEST = {"radius": 100, "texture": 100, "perimeter": 1000, "area": 10000}


def _wdbc(text: str) -> list[Row]:
    lines = list(csv.reader(io.StringIO(text)))[1:]
    found = []
    for number, cells in enumerate(lines, 1):
        case_id = f"wdbc_{number:03d}"
        values: Sequence[str] = cells[:-1]
        # scikit-learn codes 0 as malignant
        outcome = "malignant" if cells[-1] == "0" else "benign"
        found.append(
            {
                "case_id": case_id,
                "subject_id": case_id,
                **dict(zip(WDBC_FEATURES, values, strict=True)),
                "outcome": outcome,
            }
        )
    return found


def _wdbc_columns() -> dict[str, Any]:
    columns: dict[str, Any] = {"outcome": {"role": "target", "kind": "class"}}
    for name in WDBC_FEATURES:
        _, _, measure = name.partition("_")
        grouped = {"attribute": True} if name == "mean_radius" else {}
        columns[name] = _number("", 0, HIGHEST.get(measure, 10), **grouped)
    return columns


TABLES = {
    "gbsg2": Shipped(
        package="lifelines 0.30.3",
        path="lifelines/datasets/gbsg2.csv",
        sha256="695954dbed9eaa619f9854f6c945bdccf5b21b12ea3fb46bd28797b9e8284d49",
        about={
            "name": "GBSG2",
            "release": "as lifelines 0.30.3 ships it",
            "licence": "MIT, of the package lifelines; who made the data names none there",
            "reference": "Schumacher et al. 1994, doi:10.1200/JCO.1994.12.10.2086; Sauerbrei and Royston "
            "1999, doi:10.1111/1467-985X.00122",
            "description": "686 women with node-positive breast cancer of the German Breast Cancer Study "
            "Group, trial 2, recruited 1984 to 1989: recurrence-free survival and what was known at surgery",
            "labels": {"0": "no recurrence", "1": "recurrence"},
            "known_later": [],
        },
        columns={
            "outcome": {"role": "target", "kind": "class"},
            "time_days": {"role": "target", "kind": "number", "unit": "days", "minimum": 1, "maximum": 5000},
            "age_years": _number("years", 18, 100, attribute=True),
            "menopause": _category("pre", "post", attribute=True),
            "hormone_therapy": _category("no", "yes", attribute=True),
            "tumour_size_mm": _number("mm", 1, 200),
            "tumour_grade": _category("I", "II", "III", attribute=True),
            "positive_nodes": _number("", 1, 80),
            "progesterone_receptor": _number("fmol/mg", 0, 5000),
            "oestrogen_receptor": _number("fmol/mg", 0, 5000),
        },
        rows=_gbsg2,
        way_out="Run 'make tables', which lays lifelines into .venv/tables.",
    ),
    "wdbc": Shipped(
        package="scikit-learn 1.9.1",
        path="sklearn/datasets/data/breast_cancer.csv",
        sha256="fed3eb72d0575ef6192293f5093c6e801b1476b577d0386bf4455504522172ed",
        about={
            "name": "WDBC",
            "release": "as scikit-learn 1.9.1 ships it",
            "licence": "CC-BY-4.0",
            "reference": "Wolberg, Mangasarian, Street and Street 1993, doi:10.24432/C5DW2B",
            "description": "569 fine needle aspirates of breast masses, Wisconsin, 1995: shapes of cell "
            "nuclei, and whether the mass was malignant",
            "labels": {"0": "benign", "1": "malignant"},
            "known_later": [],
        },
        columns=_wdbc_columns(),
        rows=_wdbc,
        way_out="Run 'make install', which brings scikit-learn 1.9.1.",
    ),
}
