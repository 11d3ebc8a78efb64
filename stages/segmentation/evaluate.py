"""evaluate: predicts the test part on the grid of the original images, compares with the reference, and says
how sure it is.

Reads   data/, build/ingest/dataset.json, build/split/split.json, build/train/train.json and
        weights.safetensors, members/
Writes  build/evaluate/results/: predictions/, uncertainty/, reference.json (what later cases are compared
        with), provenance.json
        metrics/: headline.json, metrics.json, cases.json, training.svg, test_cases.svg
State   design/test_openings.jsonl: one line for each model that was shown the test part
Params  seed, evaluate.*
Stops   when a raw file was changed after ingest, or when a member of the ensemble saw the test part
Temperature and thresholds are set on the validation part, before the test part is opened.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from radiotrace.pipeline import stage

if __name__ == "__main__":
    stage.check_parameters(sys.argv)  # before torch, whose import takes seconds

import numpy as np
from scipy import special

from radiotrace import errors, records
from radiotrace.drawing import figures
from radiotrace.errors import StageError
from radiotrace.imaging import channels, parts, volumes
from radiotrace.imaging.image import Image
from radiotrace.inference import preparation, windows
from radiotrace.learning import architecture, embedding, members, numerics, trained
from radiotrace.learning.trained import TrainedModel
from radiotrace.pipeline import openings, parallel, params, runs
from radiotrace.records import measure_table, model_run
from radiotrace.records.dataset import Dataset, known
from radiotrace.records.metrics import Metrics
from radiotrace.records.model_run import ModelRun
from radiotrace.records.sections.segmentation.evaluate import EvaluateParams
from radiotrace.records.train import Epoch, TrainingRun
from radiotrace.records.typed import plain
from radiotrace.segmentation import features, measures, methods, ranking, results, sampling
from radiotrace.statistics import calibration, monitoring, subgroups, uncertainty

KINDS = {"dropout": sampling.with_dropout, "augmentation": sampling.with_augmentation}
ENSEMBLE = "ensemble"  # the uncertainty by several networks; there when there are members
# the uncertainty of the prediction itself, which costs nothing more and is what monitoring has
ITSELF = "prediction"
DECIMALS = 2  # of uncertainty maps, in nats: they go to the datastore with each run


def observe(
    case: dict,
    raw: Path,
    model: TrainedModel,
    others: list[TrainedModel],
    settings: EvaluateParams,
    instructions: str,
    decided: dict | None = None,
    out: Path | None = None,
) -> dict:
    """What is found in one case: its entry of the record 'cases', and what only summaries need.

    Args:
        case: of parts.cases.
        others: the members of the ensemble.
        settings: the section evaluate of params.yaml, and the seed.
        instructions: what numerics.configure says on the machine that runs the stage.
        decided: of `decide`; None before that.
        out: folder for the prediction and the maps of uncertainty; None writes none.

    Returns:
        entry; monitored, as monitoring.reference takes it; tally: of calibration, before and after
        decided["temperature"], and tally_inside, of the voxels of a label alone; logits (labels, n) and truth
        (n,) of the voxels that count for calibration, where nothing is decided yet.
    """
    network, recipe = trained.ready(model, settings.threads, instructions), model.recipe
    image, reference = parts.image(case, raw), parts.label_map(case, raw)
    with embedding.watch(network, model.network) as embedded:
        prediction, logits = windows.segment(image, network, recipe)
    labels = results.compare(
        volumes.array_zyx(reference),
        volumes.array_zyx(prediction),
        model.labels,
        volumes.to_zyx(reference.GetSpacing()),
        settings.surface_tolerance_mm,
        settings.object_overlap_min,
        settings.empty_reference,
    )
    canonical = preparation.of_label_map(reference, image, recipe)
    truth_zyx, predicted_zyx = volumes.array_zyx(canonical), logits.argmax(0)
    region = calibration.region(truth_zyx, predicted_zyx, settings.calibration_margin_voxels)
    passes_of_kind = {
        kind: passes_of(kind, case["case_id"], image, network, model, settings) for kind in kinds(settings)
    }
    if others:
        passes_of_kind[ENSEMBLE] = passes_of_networks(image, [model, *others])
    passes_of_kind[ITSELF] = uncertainty.Passes()
    passes_of_kind[ITSELF].add(special.softmax(logits.astype(np.float64), 0))
    names = {key: case[key] for key in ("case_id", "subject_id")}
    monitored = {
        **names,
        "embedding": embedded(),
        "features": features.describe(image, prediction, logits, model.labels, recipe.orientation),
    }
    entry = {
        **names,
        "labels": labels,
        "uncertainty": {kind: scores(passes, predicted_zyx) for kind, passes in passes_of_kind.items()},
    }
    if decided is None:
        return {
            "entry": entry,
            "monitored": monitored,
            "logits": logits[:, region],
            "truth": truth_zyx[region],
        }
    temperatures = {"before": 1.0} | (
        {} if decided["temperature"] is None else {"after": decided["temperature"]}
    )
    entry["flagged"] = {
        kind: None if limit is None else entry["uncertainty"][kind]["score"] > limit
        for kind, limit in decided["flag_above"].items()
    }
    if out is not None:
        entry |= written(
            out,
            case["case_id"],
            prediction,
            {kind: maps(passes, canonical) for kind, passes in passes_of_kind.items() if kind != ITSELF},
        )
    inside = calibration.region(truth_zyx, predicted_zyx, 0)
    return {
        "entry": entry,
        "monitored": monitored,
        "tally": {
            when: calibration.tally(logits, truth_zyx, region, by) for when, by in temperatures.items()
        },
        "tally_inside": {
            when: calibration.tally(logits, truth_zyx, inside, by) for when, by in temperatures.items()
        },
    }


def passes(kind: str, settings: EvaluateParams) -> int:
    """How many predictions of an image one of KINDS is made of; 0 where it is not in use."""
    return {"dropout": settings.dropout_passes, "augmentation": settings.augmentation_passes}[kind]


def kinds(settings: EvaluateParams) -> list[str]:
    """Those of KINDS that are in use."""
    return [kind for kind in KINDS if passes(kind, settings)]


def passes_of(
    kind: str, case_id: str, image: Image, network, model: TrainedModel, settings: EvaluateParams
) -> uncertainty.Passes:
    """Several predictions of an image, by one of KINDS."""
    gathered = uncertainty.Passes()
    generators = sampling.generators(settings.seed, kind, case_id, passes(kind, settings))
    _, prepared = windows.prepare(image, model.recipe)
    for probabilities in KINDS[kind](prepared, network, model.recipe, generators, trained.in_bf16(model)):
        gathered.add(probabilities)
    return gathered


def passes_of_networks(image: Image, networks: list[TrainedModel]) -> uncertainty.Passes:
    """A prediction of an image by each network, as inference makes it.

    Args:
        networks: of one grid and one set of labels.

    Source: Lakshminarayanan et al. 2017, arXiv:1612.01474.
    """
    passes = uncertainty.Passes()
    for network in networks:
        _, prepared = windows.prepare(image, network.recipe)
        passes.add(sampling.probabilities(prepared, trained.network(network), network.recipe))
    return passes


def scores(passes: uncertainty.Passes, predicted_zyx: np.ndarray) -> dict:
    """The uncertainty of a case: the score, of the mean probabilities; entropy and mutual information over
    the voxels that are predicted to be of a label, the latter None of one prediction."""
    inside = predicted_zyx > 0
    disagreement = uncertainty.mean_inside(passes.mutual_information, inside) if passes.number > 1 else None
    return {
        "score": uncertainty.expected_dice_loss(np.asarray(passes.mean), predicted_zyx),
        "entropy": uncertainty.mean_inside(passes.entropy, inside),
        "mutual_information": disagreement,
    }


def maps(passes: uncertainty.Passes, like) -> dict:
    """Maps of uncertainty in nats, as volumes on the canonical grid."""
    return {
        name: volumes.from_array(np.round(getattr(passes, name), DECIMALS).astype(np.float32), like)
        for name in ("entropy", "mutual_information")
    }


def written(out: Path, case_id: str, prediction, maps_of: dict[str, dict]) -> dict:
    """Writes the volumes of one case; what its entry says of them."""
    volumes.write(prediction, out / "predictions" / f"{case_id}.nii.gz")
    for kind, volume_of in maps_of.items():
        for name, volume in volume_of.items():
            volumes.write(volume, out / "uncertainty" / f"{case_id}.{kind}.{name}.nii.gz")
    return {
        "prediction": f"{case_id}.nii.gz",
        "prediction_sha256": records.sha256(out / "predictions" / f"{case_id}.nii.gz"),
    }


def decide(observed: list[dict], settings: EvaluateParams, unseen: set[str] | None = None) -> dict:
    """Temperature and thresholds, from the validation part alone.

    Args:
        observed: of `observe`, for each validation case; none where the split has no such part.
        unseen: cases that no member of the ensemble has learnt from, which its threshold is set on: a network
            is surer of what it has learnt. None without members.

    Returns:
        temperature; flag_above, as uncertainty.threshold sets it by subject for each kind of uncertainty that
        is in use, and
        flag_rule: what that rests on and is worth. None without enough subjects.
    """
    entries = [observation["entry"] for observation in observed]
    subject_of = {entry["case_id"]: entry["subject_id"] for entry in entries}
    entries_of = dict.fromkeys([*kinds(settings), ITSELF], entries)
    if unseen is not None:
        entries_of[ENSEMBLE] = [entry for entry in entries if entry["case_id"] in unseen]
    rules = {
        kind: asdict(
            uncertainty.threshold(
                {entry["case_id"]: entry["uncertainty"][kind]["score"] for entry in of_kind},
                subject_of,
                settings.flag_share,
            )
        )
        for kind, of_kind in entries_of.items()
    }
    return {
        "part": "validation",
        "n_cases": len(observed),
        "n_cases_ensemble": None if unseen is None else len(entries_of[ENSEMBLE]),
        "temperature": calibration.fit_temperature(
            [(observation["logits"], observation["truth"]) for observation in observed]
        )
        if observed
        else None,
        "flag_above": {kind: rule.pop("above") for kind, rule in rules.items()},
        "flag_share": settings.flag_share,
        "flag_rule": rules,
    }


def groups_of(test: dict, dataset: Dataset, observed: list[dict]) -> dict[str, dict[str, str]]:
    """The groups of each test case: by the attributes of cases.csv, and by what every image has.

    Args:
        test: of parts.cases.
        dataset: the record.
        observed: of `observe`, for each of them.
    """
    cases = [observation["entry"] for observation in observed]
    declared = channels.of_dataset(dataset.dataset)
    by_name, by_number = {}, {}
    for number, suffix in enumerate(features.suffixes(declared)):
        images = {case.case_id: case.images[number] for case in dataset.cases if case.case_id in test}
        snr = {
            observation["entry"]["case_id"]: observation["monitored"]["features"]["input"][f"snr{suffix}"]
            for observation in observed
        }
        by_name |= {
            f"derived_pixel_type{suffix}": {case_id: image.pixel_type for case_id, image in images.items()},
            f"derived_intensity_scale{suffix}": {
                case_id: subgroups.magnitude(known(known(image.intensity).p99_5))
                for case_id, image in images.items()
            },
        }
        by_number[f"derived_snr{suffix}"] = {
            case_id: value for case_id, value in snr.items() if value is not None
        }
    given = sorted({name for case in test.values() for name in case["attributes"]})
    sizes = {case["case_id"]: sum(row["reference_mm3"] for row in case["labels"].values()) for case in cases}
    return subgroups.groups(
        {
            **by_name,
            **{
                name: {case_id: case["attributes"].get(name, "") for case_id, case in test.items()}
                for name in given
            },
        },
        {
            "derived_reference_volume": sizes,
            **by_number,
        },
    )


def summarise(
    observed: list[dict], decided: dict, groups: dict, labels: dict[str, str], settings: EvaluateParams
) -> dict:
    """The record 'metrics', but for where it comes from.

    Args:
        observed: of `observe`, for each test case.
        groups: attribute -> case -> group.
        labels: value -> name.
    """
    # as the record has them: who has it alone gets the same summaries
    cases = records.canonical([observation["entry"] for observation in observed])
    summary = results.Summary(cases, settings.empty_reference)
    tallies, inside = (
        {
            when: {observation["entry"]["case_id"]: observation[name][when] for observation in observed}
            for when in observed[0][name]
        }
        for name in ("tally", "tally_inside")
    )
    return {
        "n_cases": len(cases),
        "n_subjects": len(set(summary.subject_of.values())),
        "decisions": decided,
        **summary.measures(),
        "volume_agreement": summary.volume_agreement(),
        "detection": summary.detection(),
        "calibration": {"after": None}
        | {when: summary.calibration(of_case, inside[when], labels) for when, of_case in tallies.items()},
        "uncertainty": summary.uncertainties(decided, settings.poor_dice),
        "subgroups": summary.subgroups(groups, settings.subgroup_subjects_min),
        "worst_cases": [
            {"case_id": case["case_id"], "dice": ranking.macro(case, "dice")}
            for case in ranking.ranked(cases)[:10]
        ],
    }


def misfits(records_by_name: dict[str, dict]) -> list[str]:
    """Where the records cases, metrics and headline do not fit the table of measures, each with its place.

    Args:
        records_by_name: name -> record.
    """
    metrics = records.canonical(records_by_name["metrics"])
    return [
        *(f"metrics.json: {fault}" for fault in records.faults(metrics, "metrics")),
        *measure_table.misfits_of_cases(metrics, records_by_name["cases"]["cases"]),
        *measure_table.misfits_of_headline(metrics, records_by_name["headline"]),
    ]


def figure_row(title: str, image: Image, reference, prediction) -> dict:
    """Arrays for figures.outlines, of the image's first channel, turned to LPS so that every case is seen
    from the same side."""
    turned = [
        volumes.canonical(volume, "LPS", None, is_label_map=True)
        for volume in (image.volume(), reference, prediction)
    ]
    return {
        "title": title,
        "spacing_zyx": volumes.to_zyx(turned[0].GetSpacing()),
        **dict(
            zip(("image_zyx", "reference_zyx", "prediction_zyx"), map(volumes.array_zyx, turned), strict=True)
        ),
    }


def training_figure(train: ModelRun) -> bytes:
    """The curves of training; of a model that was made elsewhere, that there are none."""
    if not isinstance(train, TrainingRun):
        return figures.note("This model was trained elsewhere: no record here has a curve of it.")
    losses = [row.train_loss for row in train.history]
    return figures.training_curve(losses, dice_by_label(train.history))


def faults(settings: EvaluateParams, train: ModelRun) -> list[str]:
    """Where the section evaluate of params.yaml asks for what a model has not."""
    why = model_run.not_possible(train).get("dropout")
    if why is None or not settings.dropout_passes:
        return []
    return [f"evaluate.dropout_passes: found {settings.dropout_passes}, expected 0. {why}"]


def dice_by_label(history: Sequence[Epoch]) -> dict[str, list[float | None]]:
    """Label -> Dice on the validation part after each epoch."""
    labels = history[0].validation_dice
    return {name: [row.validation_dice[name] for row in history] for name in labels}


def main(args):
    settings = EvaluateParams.of(params.load(args.params, "evaluate", seed=True))
    train = model_run.read(args.train)
    if impossible := faults(settings, train):
        raise StageError(
            "this model cannot be evaluated as params.yaml says", impossible, "Correct params.yaml."
        )
    dataset = Dataset.of(records.read(args.dataset, "dataset"))
    split = records.read(args.split, "split")
    openings.read(args.openings)  # a broken ledger stops the stage before the part is opened
    labels, raw, metrics_folder = dict(train.labels), Path(args.data), Path(args.metrics)
    test, validation = (parts.cases(dataset, split, part) for part in ("test", "validation"))
    model = TrainedModel.of(train, args.weights)
    runs_beside = members.read(args.members, train.record(), split)
    others = [
        TrainedModel.of(model_run.of(member), f"{args.members}/{name}/{members.WEIGHTS}")
        for name, member in runs_beside.items()
    ]
    unseen = members.strangers(runs_beside, split, "validation") if runs_beside else None
    common = {
        "raw": raw,
        "model": model,
        "others": others,
        "settings": settings,
        "instructions": numerics.configure(model.numerics, settings.threads),
    }
    with stage.output_folder(args.out) as out, parallel.pool(args, settings.threads) as each:
        held_out = followed(each(observe, validation.values(), **common), len(validation), "validation")
        decided = decide(held_out, settings, unseen)
        observed = followed(
            each(observe, test.values(), **common, decided=decided, out=out), len(test), "test"
        )
        cases = [observation["entry"] for observation in observed]
        rows_of = {case["case_id"]: case["labels"] for case in cases}
        shown = [
            figure_row(
                f"{rank} of {len(test)} test cases: {case_id}, Dice {ranking.dice_text(rows_of[case_id])}",
                parts.image(test[case_id], raw),
                parts.label_map(test[case_id], raw),
                volumes.read(out / "predictions" / f"{case_id}.nii.gz"),
            )
            for rank, case_id in ranking.worst_median_best(cases).items()
        ]
        pictures = {
            "test_cases.svg": figures.outlines(shown, labels),
            "training.svg": training_figure(train),
        }
        about = {"run_id": train.run_id, "part": "test", "excluded": plain(train.excluded)}
        summary = {
            **about,
            "measures": [measure.record() for measure in measures.TABLE],
            "methods": methods.texts(settings),
            "surface_tolerance_mm": settings.surface_tolerance_mm,
            "members": [
                {key: member[key] for key in ("run_id", "weights_sha256")} for member in runs_beside.values()
            ],
            **summarise(observed, decided, groups_of(test, dataset, observed), labels, settings),
        }
        written = {
            "cases": {**about, "cases": cases},
            "metrics": summary,
            "headline": results.headline(Metrics.of(summary)).record(),
        }
        # Before the opening is counted: what cannot be written was not shown.
        if wrong := misfits(written):
            raise ValueError("records do not fit the table of measures: " + "; ".join(wrong))
        flagging = (
            None
            if decided["flag_above"][ITSELF] is None
            else {"feature": uncertainty.SCORE, "above": decided["flag_above"][ITSELF]}
        )
        records.write(
            out / "reference.json",
            monitoring.reference(
                [observation["monitored"] for observation in held_out + observed],
                train.run_id,
                train.weights_sha256,
                ["validation", "test"] if held_out else ["test"],
                settings.seed,
                flagging,
            ),
            "reference",
        )
        records.write(
            out / "provenance.json",
            runs.provenance(
                __file__,
                settings.record(),
                args.requirements,
                [
                    args.dataset,
                    args.split,
                    args.train,
                    args.weights,
                    *(
                        f"{args.members}/{name}/{file}"
                        for name in runs_beside
                        for file in (members.RECORD, members.WEIGHTS)
                    ),
                ],
                architecture.choice(model.network, *(member.network for member in others)),
            ),
            "provenance",
        )
        # Counted before a number can be seen.
        openings.add(
            args.openings,
            train.run_id,
            train.weights_sha256,
            "evaluate",
            list(test),
            records.digest(summary),
            "accuracy, calibration, uncertainty, subgroups",
        )
        for name, content in pictures.items():
            records.write_bytes(metrics_folder / name, content)
        for name, record in written.items():
            records.write(metrics_folder / f"{name}.json", record, name)
    errors.log(f"evaluate: wrote {args.metrics}/ and {args.out}/")


def followed(items, number: int, part: str) -> list:
    """The items, with a line of progress for every tenth."""
    kept = []
    for item in items:
        kept.append(item)
        if len(kept) % 10 == 0 or len(kept) == number:
            errors.log(f"evaluate: {len(kept)}/{number} {part} cases")
    return kept


parser = argparse.ArgumentParser(
    prog="evaluate",
    description=__doc__,
    formatter_class=argparse.RawDescriptionHelpFormatter,
    parents=[parallel.options()],
)
parser.add_argument("--data", required=True, help="folder of raw data")
parser.add_argument("--dataset", required=True, help="record of the data set")
parser.add_argument("--split", required=True, help="record of the split")
parser.add_argument("--train", required=True, help="record of the training run")
parser.add_argument("--weights", required=True, help="trained weights")
parser.add_argument(
    "--members", required=True, help="folder of other runs, which form an ensemble with this one"
)
parser.add_argument("--out", required=True, help="folder to write")
parser.add_argument("--openings", required=True, help="ledger of what the test part was shown to")
parser.add_argument("--metrics", required=True, help="folder of the small files that git keeps")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
