"""train: fits the models of a risk to the rows of the train part; settings by cross-validation inside it.

Reads   build/ingest/dataset.json, build/split/split.json
Writes  build/train/: weights.safetensors, train.json, provenance.json
Params  seed, train.*
Stops   when the columns are nothing that a risk is learnt from, when a horizon is missing, needless or beyond
        what was followed, when a fold has no event
"""

import argparse
import hashlib
import sys
from collections import Counter
from collections.abc import Sequence

import numpy as np

from radiotrace import errors, records
from radiotrace.errors import StageError
from radiotrace.pipeline import params, runs, stage
from radiotrace.records.dataset import Dataset
from radiotrace.records.sections.tabular.train import TrainParams
from radiotrace.records.tabular.feature import Feature, Outcome
from radiotrace.records.tabular.train import Coefficient, FittedModel, Network, TabularRun
from radiotrace.records.training import LearntCases
from radiotrace.records.values import Exclusion
from radiotrace.statistics import survival
from radiotrace.tabular import model, table, transport, tuning
from radiotrace.tabular.encoding import VALUE
from radiotrace.tabular.fitting import NoFitError
from radiotrace.tabular.model import MODELS, RiskModel
from radiotrace.tabular.scores import Linear
from radiotrace.tabular.table import Rows

FAMILIES = {
    ("linear", "binary"): "logistic regression with a ridge",
    ("linear", "survival"): "Cox's proportional hazards with a ridge",
    ("boosting", "binary"): "gradient boosted trees",
    ("boosting", "survival"): "gradient boosted trees by Cox's partial likelihood",
}


def faults(settings: TrainParams, outcome: Outcome, rows: Rows) -> list[str]:
    """What of the section train does not fit the rows."""
    found = []
    if outcome.kind == "binary" and settings.horizon is not None:
        found.append(f"train.horizon: found {settings.horizon:g}, expected null: the outcome has no time")
    if rows.time is not None and settings.horizon is None:
        found.append(
            f"train.horizon: found null, expected a time in {outcome.unit} by which the risk is told"
        )
    if rows.time is not None and settings.horizon is not None:
        if survival.kaplan_meier(rows.time, rows.positive).at(settings.horizon) is None:
            found.append(
                f"train.horizon: found {settings.horizon:g}, expected at most {rows.time.max():g} "
                f"{outcome.unit}, beyond which nobody of the train part was followed"
            )
        if not (rows.positive & (rows.time <= settings.horizon)).any():
            found.append(f"train.horizon: no event by {settings.horizon:g} {outcome.unit} in the train part")
    if len(np.unique(rows.positive)) < 2:
        found.append("the train part has one and the same outcome in all rows")
    return found


def coefficients(fitted: RiskModel, features: Sequence[Feature]) -> tuple[Coefficient, ...]:
    """The weights of the linear model, in the unit of each feature."""
    score = fitted.score
    if not isinstance(score, Linear):
        raise TypeError(f"a linear model, found {type(score).__name__}")
    found = []
    for place, name in enumerate(fitted.encoding.names(features)):
        own = features[fitted.encoding.column[place]]
        per_unit = float(score.weight[place] / score.scale[place])
        unit = (own.unit or "1") if fitted.encoding.code[place] == VALUE else ""
        found.append(Coefficient(name, unit, per_unit, float(np.exp(per_unit)), float(score.weight[place])))
    return tuple(found)


def filled(fitted: RiskModel, features: Sequence[Feature]) -> dict[str, float | str]:
    """What stands where a feature is not known."""
    return {
        one.name: one.categories[int(value)] if one.kind == "category" else float(value)
        for one, value in zip(features, fitted.encoding.fill, strict=True)
    }


def numbers(fitted: RiskModel) -> int:
    """Of which a model is made, without encoding and baseline."""
    return sum(array.size for array in fitted.score.arrays().values())


def main(args):
    settings = TrainParams.of(params.load(args.params, "train", seed=True))
    dataset = Dataset.of(records.read(args.dataset, "dataset"))
    split = records.read(args.split, "split")
    if broken := table.faults(dataset.dataset.columns or {}):
        raise StageError("these columns are nothing that a risk is learnt from", broken)
    outcome, features = table.of_dataset(dataset)
    cases = {part: table.of_part(dataset, split, part) for part in ("train", "validation")}
    rows = table.rows_of(cases["train"], outcome, features)
    broken = [*faults(settings, outcome, rows), *transport.faults(cases["train"], settings.held_out_by)]
    if broken:
        raise StageError("training cannot run as params.yaml says", broken, "Correct params.yaml.")
    provenance = runs.provenance(__file__, settings.record(), args.requirements, [args.dataset, args.split])
    run_id = runs.run_id(provenance)
    errors.log(f"train: run {run_id[:12]}, {len(rows)} rows, {int(rows.positive.sum())} events")
    chosen, models = {}, {}
    for name in MODELS:
        chosen[name] = tuning.TUNED[name](rows, features, settings)
        try:
            models[name] = tuning.fitted(rows, features, chosen[name], settings.horizon)
        except NoFitError as error:
            raise StageError(f"{name}: {error}", way_out="Change train in params.yaml.") from None
        best = next(one for one in chosen[name].candidates if one.chosen)
        errors.log(f"train: {name}: {best.setting}, loss {best.loss:.4f} +- {best.loss_error:.4f}")
    content = model.to_bytes(models)
    released = models[settings.model]
    words = Counter(outcome.name if positive else outcome.without for positive in rows.positive)
    unknown = np.isnan(rows.x).sum(0)
    run = TabularRun(
        run_id=run_id,
        network=Network(settings.model, FAMILIES[settings.model, outcome.kind]),
        weights=numbers(released),
        weights_sha256=hashlib.sha256(content).hexdigest(),
        outcome=outcome,
        horizon=settings.horizon,
        features=features,
        labels=dataset.dataset.labels,
        class_counts=dict(words),
        missing={one.name: int(n) for one, n in zip(features, unknown, strict=True) if n},
        fill=filled(released, features),
        events_per_parameter=float(rows.positive.sum() / len(models["linear"].encoding.column)),
        models={
            name: FittedModel(numbers(models[name]), chosen[name].candidates, chosen[name].areas)
            for name in MODELS
        },
        coefficients=coefficients(models["linear"], features),
        held_out=transport.held_out(
            cases["train"], rows, features, chosen[settings.model], settings.horizon, settings.held_out_by
        ),
        params=settings,
        selection=tuning.SELECTION,
        excluded=tuple(Exclusion.of(row) for row in split["excluded"]),
        cases=LearntCases(rows.case_ids, tuple(case.case_id for case in cases["validation"])),
    )
    with stage.output_folder(args.out) as out:
        records.write_bytes(out / "weights.safetensors", content)
        records.write(out / "train.json", run.record(), "train_tabular")
        records.write(out / "provenance.json", provenance, "provenance")
    errors.log(f"train: wrote {args.out}/")


parser = argparse.ArgumentParser(
    prog="train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--dataset", required=True, help="record of the data set")
parser.add_argument("--split", required=True, help="record of the split")
parser.add_argument("--out", required=True, help="folder to write")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
