"""robustness: makes rows of the test part noisy, incomplete and mistaken; finds how far results fall.

Reads   build/ingest/dataset.json, build/split/split.json, build/train/train.json and weights.safetensors,
        metrics/metrics.json
Writes  build/robustness/: provenance.json; metrics/: robustness.json, envelope.svg
State   design/test_openings.jsonl, to which a line is added
Params  seed, robustness.*
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from radiotrace import errors, records
from radiotrace.pipeline import openings, params, randomness, runs, stage
from radiotrace.records.dataset import Dataset
from radiotrace.records.sections.tabular.robustness import RobustnessParams
from radiotrace.records.tabular.feature import Feature
from radiotrace.records.tabular.metrics import Metrics
from radiotrace.records.tabular.robustness import Robustness
from radiotrace.records.tabular.train import TabularRun
from radiotrace.records.typed import plain
from radiotrace.statistics import discrimination, resampling
from radiotrace.tabular import charts, entries, model, perturbations, results, table, tuning
from radiotrace.tabular.model import RiskModel
from radiotrace.tabular.table import Rows


@dataclass(frozen=True)
class Tested:
    """A model and the rows that it is tried on.

    Attributes:
        line: calibration. threshold: from which a case is called. train: (n, k), rows of the train part.
    """

    fitted: RiskModel
    line: model.Line
    threshold: float
    rows: Rows
    features: Sequence[Feature]
    train: np.ndarray

    def risk(self, x: np.ndarray) -> np.ndarray:
        """Calibrated, of changed rows."""
        return model.risks(self.fitted.link_values(x), self.fitted.kind, self.line)

    def area(self, risk: np.ndarray) -> dict[str, Any]:
        """Concordance with its interval."""
        rows = self.rows
        counted = {"n_cases": len(rows), "n_subjects": len(set(rows.subjects)), "n_undefined": 0}
        if rows.time is None:
            found = discrimination.delong(risk, rows.positive, rows.subjects)
            return {**counted, "value": found.value, **found.interval.record()}
        strata = resampling.strata_of(rows.subjects, rows.positive)
        of = results.Judged(
            rows.case_ids,
            rows.subjects,
            *entries.known_by(rows, self.fitted.horizon),
            entries.weights(rows, self.fitted.horizon),
            risk,
            risk,
            {},
            rows.positive,
            rows.time,
            self.fitted.horizon,
        )
        interval = resampling.jackknife(results.concordance_of(of, risk), rows.subjects, strata=strata)
        return {**counted, "value": tuning.area(risk, rows), **interval.record()}

    def change(self, risk: np.ndarray, before: np.ndarray) -> dict[str, float]:
        """How far risks move, and how many cases are called otherwise."""
        return {
            "risk_change": float(np.abs(risk - before).mean()),
            "called_otherwise": float(((risk >= self.threshold) != (before >= self.threshold)).mean()),
        }


def severities(
    name: str, amounts: Sequence[float], tested: Tested, before: np.ndarray, settings: RobustnessParams
) -> list[dict[str, Any]]:
    """What is left at each amount of a change, mildest first."""
    found = []
    for amount in sorted(amounts):
        rngs = [
            randomness.generator(settings.seed, "tabular", name, f"{amount:g}", repeat)
            for repeat in range(settings.repeats)
        ]
        risks = [
            tested.risk(perturbations.TABLE[name](tested.rows.x, amount, tested.train, tested.features, rng))
            for rng in rngs
        ]
        areas = [tuning.area(risk, tested.rows) for risk in risks]
        defined = [value for value in areas if value is not None]
        mean = float(np.mean(defined)) if len(defined) == len(areas) else None
        changes = [tested.change(risk, before) for risk in risks]
        found.append(
            {
                "amount": amount,
                "concordance": tested.area(risks[0]),
                "concordance_mean": mean,
                **{key: float(np.mean([row[key] for row in changes])) for key in changes[0]},
                "holds": mean is not None and mean >= settings.criterion,
            }
        )
    return found


def envelope(rows: Sequence[Mapping[str, Any]]) -> int:
    """How many severities hold, from the mildest; 0 for none."""
    strongest = 0
    for row in rows:
        if not row["holds"]:
            break
        strongest += 1
    return strongest


def beyond(tested: Tested) -> dict[str, dict[str, Any]]:
    """Numbers of test cases that are further out than any of the train part."""
    found = {}
    for place, feature in enumerate(tested.features):
        known = tested.train[~np.isnan(tested.train[:, place]), place]
        if feature.kind != "number" or not len(known):
            continue
        values = tested.rows.x[:, place]
        outside = (values < known.min()) | (values > known.max())
        if outside.any():
            found[feature.name] = {
                "train_low": float(known.min()),
                "train_high": float(known.max()),
                "cases": [tested.rows.case_ids[number] for number in np.flatnonzero(outside)],
            }
    return found


def main(args):
    settings = RobustnessParams.of(params.load(args.params, "robustness", seed=True))
    run = TabularRun.of(records.read(args.train, "train_tabular"))
    decided = Metrics.of(records.read(args.metrics_record, "metrics_tabular")).decisions
    dataset = Dataset.of(records.read(args.dataset, "dataset"))
    split = records.read(args.split, "split")
    openings.read(args.openings)
    fitted = model.read(args.weights, run.weights_sha256, run.horizon)[run.network.name]
    rows = {
        part: table.rows_of(table.of_part(dataset, split, part), run.outcome, run.features)
        for part in ("train", "test")
    }
    event = run.outcome.name
    tested = Tested(
        fitted,
        entries.line_of(decided.record(), event),
        decided.operating_points[event].threshold,
        rows["test"],
        run.features,
        rows["train"].x,
    )
    before = tested.risk(tested.rows.x)
    clean = tested.area(before)
    amounts = {
        "noise": settings.noise_sd,
        "missing": settings.missing_share,
        "mistaken": settings.mistaken_share,
    }
    changes = {}
    for name, of_name in amounts.items():
        changes[name] = severities(name, of_name, tested, before, settings)
        errors.log(f"robustness: {name}")
    lost = {}
    for place, feature in enumerate(run.features):
        risk = tested.risk(perturbations.lost(tested.rows.x, place))
        area = tested.area(risk)
        values = clean["value"], area["value"]
        lost[feature.name] = {
            "concordance": area,
            "concordance_drop": None if None in values else values[0] - values[1],
            **tested.change(risk, before),
        }
    record = {
        "run_id": run.run_id,
        "part": "test",
        "excluded": plain(run.excluded),
        "n_cases": len(tested.rows),
        "criterion": settings.criterion,
        "repeats": settings.repeats,
        "clean": clean,
        "changes": changes,
        "envelope": {name: envelope(of_name) for name, of_name in changes.items()},
        "lost": lost,
        "beyond": beyond(tested),
    }
    with stage.output_folder(args.out) as out:
        inputs = [args.dataset, args.split, args.train, args.weights, args.metrics_record]
        records.write(
            out / "provenance.json",
            runs.provenance(__file__, settings.record(), args.requirements, inputs),
            "provenance",
        )
        # Counted before a number can be seen.
        openings.add(
            args.openings,
            run.run_id,
            run.weights_sha256,
            "robustness",
            list(tested.rows.case_ids),
            records.digest(record),
            "noise, missing and mistaken cells, features that are lost",
        )
        folder = Path(args.metrics)
        records.write(folder / "robustness.json", record, "robustness_tabular")
        chart = charts.envelope(Robustness.of(records.canonical(record)))
        records.write_bytes(folder / "envelope.svg", chart)
    errors.log(f"robustness: wrote {args.metrics}/robustness.json")


parser = argparse.ArgumentParser(
    prog="robustness", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--dataset", required=True, help="record of the data set")
parser.add_argument("--split", required=True, help="record of the split")
parser.add_argument("--train", required=True, help="record of the training run")
parser.add_argument("--weights", required=True, help="fitted models")
parser.add_argument("--metrics-record", required=True, help="record of metrics")
parser.add_argument("--openings", required=True, help="ledger of what the test part was shown to")
parser.add_argument("--out", required=True, help="folder to write")
parser.add_argument("--metrics", required=True, help="folder of the small files that git keeps")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
