"""explain: says for test cases which features a risk comes from, and what each is worth to the model.

Reads   build/ingest/dataset.json, build/split/split.json, build/train/train.json and weights.safetensors,
        metrics/metrics.json
Writes  build/explain/: explain.json, provenance.json; metrics/explanations.svg
State   design/test_openings.jsonl, to which a line is added
Params  seed, explain.*
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from radiotrace import errors, records
from radiotrace.pipeline import openings, params, randomness, runs, stage
from radiotrace.records.dataset import Dataset
from radiotrace.records.sections.tabular.explain import ExplainParams
from radiotrace.records.tabular.explain import Explain
from radiotrace.records.tabular.metrics import Metrics
from radiotrace.records.tabular.train import TabularRun
from radiotrace.statistics import intervals, resampling
from radiotrace.tabular import charts, entries, explain, model, results, table
from radiotrace.tabular.model import Line, RiskModel
from radiotrace.tabular.results import Judged
from radiotrace.tabular.table import Rows

METHOD = (
    "Shapley values of the link value, exact, against rows of the train part; permutation: what concordance "
    "loses when a feature is shuffled among test cases, by mean over shuffles; dependence: mean risk where a "
    "feature is set to a value in every case. None of them says what would happen if a feature were changed "
    "in a person"
)


def permuted(fitted: RiskModel, rows: Rows, place: int, settings: ExplainParams, name: str) -> dict[str, Any]:
    """By how much concordance falls when a feature is shuffled, with its interval."""
    values = fitted.link_values(rows.x)
    of = judged(rows, values, fitted.horizon)
    shuffles = [
        fitted.link_values(
            explain.shuffled(rows.x, place, randomness.generator(settings.seed, "tabular", name, number))
        )
        for number in range(settings.permutations)
    ]
    without = [results.concordance_of(of, shuffle) for shuffle in shuffles]
    statistic = explain.drop(results.concordance_of(of, values), without)
    value = float(np.asarray(statistic(np.ones((len(rows), 1), int))).ravel()[0])
    strata = resampling.strata_of(rows.subjects, rows.positive)
    interval = (
        resampling.jackknife(statistic, rows.subjects, intervals.MEAN, strata)
        if np.isfinite(value)
        else intervals.none(intervals.UNDEFINED)
    )
    return {
        "n_cases": len(rows),
        "n_subjects": len(set(rows.subjects)),
        "n_undefined": 0,
        "value": value if np.isfinite(value) else None,
        **interval.record(),
    }


def judged(rows: Rows, values: np.ndarray, horizon: float | None) -> Judged:
    """Rows as results takes them, with link values in the place of risks, which rank alike."""
    return Judged(
        rows.case_ids,
        rows.subjects,
        *entries.known_by(rows, horizon),
        entries.weights(rows, horizon),
        values,
        values,
        {},
        rows.positive,
        rows.time,
        horizon,
    )


def of_feature(
    run: TabularRun, fitted: RiskModel, line: Line, rows: Rows, train: Rows, place: int, n: int
) -> dict[str, Any]:
    """Dependence of the risk on a feature."""
    feature = run.features[place]
    values = explain.grid(feature, train.x[:, place], n)
    mean, low, high = explain.dependence(fitted, line, rows.x, place, values)
    words = [feature.categories[int(value)] for value in values] if feature.kind == "category" else None
    return {
        "values": words or values.astype(float).tolist(),
        "risk": mean.tolist(),
        "low": low.tolist(),
        "high": high.tolist(),
    }


def main(args):
    settings = ExplainParams.of(params.load(args.params, "explain", seed=True))
    run = TabularRun.of(records.read(args.train, "train_tabular"))
    decided = Metrics.of(records.read(args.metrics_record, "metrics_tabular")).decisions
    dataset = Dataset.of(records.read(args.dataset, "dataset"))
    split = records.read(args.split, "split")
    openings.read(args.openings)
    fitted = model.read(args.weights, run.weights_sha256, run.horizon)[run.network.name]
    train, test = (
        table.rows_of(table.of_part(dataset, split, part), run.outcome, run.features)
        for part in ("train", "test")
    )
    line = entries.line_of(decided.record(), run.outcome.name)
    rng = randomness.generator(settings.seed, "tabular", "background")
    n_background = min(settings.background, len(train))
    background = train.x[np.sort(rng.choice(len(train), n_background, replace=False))]
    values, base = explain.shapley(fitted, test.x, background)
    links = fitted.link_values(test.x)
    risks = model.risks(links, fitted.kind, line)
    subject_of = dict(zip(test.case_ids, map(str, test.subjects), strict=True))
    names = [feature.name for feature in run.features]
    importance = {}
    for place, name in enumerate(names):
        rows = {case: (abs(float(values[number, place])), 1) for number, case in enumerate(test.case_ids)}
        importance[name] = {
            "shapley": intervals.estimate(
                rows, lambda sums: sums[0] / sums[1], subject_of, rule=intervals.AMOUNT
            ),
            "permutation": permuted(fitted, test, place, settings, name),
        }
    errors.log(f"explain: {len(names)} features")
    both = np.array(
        [[row["shapley"]["value"], row["permutation"]["value"]] for row in importance.values()], float
    )
    is_comparable = len(names) > 2 and np.isfinite(both).all() and (np.ptp(both, 0) > 0).all()
    ranked: Any = stats.spearmanr(both[:, 0], both[:, 1]) if is_comparable else None
    correlation = None if ranked is None else float(ranked[0])
    record = {
        "run_id": run.run_id,
        "method": METHOD,
        "base": base,
        "background": n_background,
        "additivity_error": float(np.abs(base + values.sum(1) - links).max()),
        "rank_correlation": correlation,
        "importance": importance,
        "dependence": {
            name: of_feature(run, fitted, line, test, train, place, settings.grid)
            for place, name in enumerate(names)
        },
        "cases": [
            {
                "case_id": case,
                "probability": float(risks[number]),
                "contributions": dict(zip(names, map(float, values[number]), strict=True)),
            }
            for number, case in enumerate(test.case_ids)
        ],
    }
    with stage.output_folder(args.out) as out:
        records.write(out / "explain.json", record, "explain_tabular")
        inputs = [args.dataset, args.split, args.train, args.weights, args.metrics_record]
        records.write(
            out / "provenance.json",
            runs.provenance(__file__, settings.record(), args.requirements, inputs),
            "provenance",
        )
        openings.add(
            args.openings,
            run.run_id,
            run.weights_sha256,
            "explain",
            list(test.case_ids),
            records.digest(record),
            "Shapley values, permutation importance, partial dependence",
        )
        chart = charts.explanations(Explain.of(records.canonical(record)), run.features)
        records.write_bytes(Path(args.metrics) / "explanations.svg", chart)
    errors.log(f"explain: wrote {args.out}/")


parser = argparse.ArgumentParser(
    prog="explain", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
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
