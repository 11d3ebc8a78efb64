"""Rederiving: each record of the bundle that follows from other records is made from them again, with the
functions that the stages call.

Whoever edits a record and makes everything behind it anew leaves it in contradiction to what it stands on.
Needs neither torch nor images; what needs them is made again at level 4 (commands/verify.py) and at level 5
(remade.py, released.py).
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.evidence.formats import distributions
from radiotrace.evidence.formats import wheels as locked_wheels
from radiotrace.evidence.trace import pin_files
from radiotrace.evidence.verify import differences
from radiotrace.evidence.verify.levels import Check, Clone
from radiotrace.inference import recipe
from radiotrace.pipeline import pins, splits
from radiotrace.records import accepted, ledgers, measure_table
from radiotrace.records.accepted import Accepted
from radiotrace.records.metrics import Metrics
from radiotrace.records.sections.segmentation.evaluate import EvaluateParams
from radiotrace.records.sections.segmentation.explain import ExplainParams
from radiotrace.records.sections.segmentation.export import ExportParams
from radiotrace.records.sections.segmentation.robustness import RobustnessParams
from radiotrace.records.sections.segmentation.train import TrainParams
from radiotrace.records.sections.split import SplitParams
from radiotrace.records.sections.validate import ValidateParams

VOXEL_CHECKS = ("label_border", "label_components")  # findings that no record can show
TRAIN, ROBUSTNESS_CASES, REFERENCE = (
    "build/train/train.json",
    "build/robustness/cases.json",
    "build/evaluate/results/reference.json",
)
BUNDLED = {
    "dataset",
    "findings",
    "accepted",
    "split",
    "cases",
    "metrics",
    "headline",
    "robustness",
    "explain",
    "model",
    "hyperparameters",
    "checkpoints",
    "epochs",
    "openings",
}


@dataclass(frozen=True)
class Sources:
    """The records of a clone: those in its bundle, and those beside it that the bundle vouches for."""

    clone: Clone

    def __getitem__(self, name: str) -> dict:
        """A record of the bundle."""
        return self._bundle[name]

    @cached_property
    def _bundle(self) -> dict[str, dict]:
        return {name: records.read(self.clone.evidence / f"{name}.json", name) for name in sorted(BUNDLED)}

    @cached_property
    def train(self) -> dict:
        """The record of the training run."""
        return records.read(self.clone.root / TRAIN, "train")

    @cached_property
    def robustness_cases(self) -> list[dict]:
        """What came of each case that was corrupted and attacked."""
        return records.read(self.clone.root / ROBUSTNESS_CASES, "robustness_cases")["cases"]

    def params(self, name: str) -> dict:
        """Parameters of a stage, as the bundle states them."""
        return self["hyperparameters"]["stages"][name]

    def part(self, name: str) -> list[str]:
        """The cases of a part of the split, sorted."""
        return sorted(case_id for case_id, row in self["split"]["cases"].items() if row["part"] == name)


def accepted_cases(sources: Sources) -> list[str]:
    """Accepted cases and what was found of them, from the record of the data set; findings that need
    voxels are left to level 5."""
    from radiotrace.imaging import checks  # here, because it reads images elsewhere

    limits = ValidateParams.of(sources.params("validate"))
    dataset, found = sources["dataset"], sources["findings"]
    kept, labels = accepted.cases(dataset, limits.exclude), dataset["dataset"]["labels"]
    faults = differences.compared(
        "accepted.json", sources["accepted"], accepted.of_dataset(dataset, limits.exclude).record()
    )
    made = [finding._asdict() for case in kept for finding in checks.case_findings(case, labels, limits)]
    made += [finding._asdict() for finding in checks.set_findings(kept, labels, limits)]
    keys = [records.dumps(row) for row in found["findings"] if row["check"] not in VOXEL_CHECKS]
    faults += [
        f"findings.json: {row['case_id']}: {row['check']} is missing: {row['found']}"
        for row in made
        if records.dumps(row) not in keys
    ]
    known = {records.dumps(row) for row in made}
    faults += [
        f"findings.json: nothing makes {json.loads(key)['check']} of {json.loads(key)['case_id']}"
        for key in keys
        if key not in known
    ]
    counts = {
        "cases_checked": len(kept),
        "errors": 0,
        "warnings": len(found["findings"]),
        "excluded": [entry.record() for entry in accepted.excluded(limits.exclude)],
    }
    return faults + differences.compared("findings.json", {key: found[key] for key in counts}, counts)


def split(sources: Sources) -> list[str]:
    """The part of each subject, from seed, rule and accepted cases."""
    of = Accepted.of(sources["accepted"])
    made = splits.of_accepted(of, SplitParams.of(sources.params("split")))
    return differences.compared("split.json", sources["split"], made.record())


def trained(sources: Sources) -> list[str]:
    """What the record of training says of its cases, labels and recipe: they are those of the split, the
    data set and its parameters."""
    train, settings = sources.train, TrainParams.of(sources.params("train")).record()
    stated = {key: train[key] for key in ("cases", "labels", "excluded", "params")}
    made = {
        "cases": {part: sources.part(part) for part in train["cases"]},
        "labels": sources["split"]["labels"],
        "excluded": sources["split"]["excluded"],
        "params": settings,
    }
    faults = differences.compared(TRAIN, stated, made)
    spec = {
        **sources["dataset"]["canonical"],
        **{key: settings[key] for key in ("clip_percentiles", "patch_voxels", "window_voxels")},
    }
    faults += differences.compared(
        TRAIN, {key: train["preprocessing"].get(key) for key in spec}, spec, "/preprocessing"
    )
    network = {"name": settings["network"], "labels": len(train["labels"])} | {
        key: settings[key] for key in ("features", "norm", "upsampling", "dropout")
    }
    return faults + differences.compared(
        TRAIN, {key: train["network"].get(key) for key in network}, network, "/network"
    )


def model(sources: Sources) -> list[str]:
    """The recipe beside the released file: every field but the measured parity follows from training, data
    set and parameters."""
    from radiotrace.imaging import parts  # here, because it reads images elsewhere

    stated, settings = sources["model"], ExportParams.of(sources.params("export"))
    measured = {
        key: stated["parity"][key] for key in ("max_logit_difference", "voxels_compared", "voxels_different")
    }
    chosen = parts.spread([case["case_id"] for case in sources["cases"]["cases"]], settings.parity_cases)
    faults = differences.compared(
        "model.json",
        stated,
        recipe.record(
            sources.train,
            sources["dataset"],
            settings.record(),
            stated["sha256"],
            {"cases": chosen, **measured},
        ),
    )
    if not measured["max_logit_difference"] <= settings.parity_tolerance:
        faults.append(
            f"model.json: the largest difference of a logit is "
            f"{measured['max_logit_difference']:g}, beyond its tolerance"
        )
    file = sources.clone.root / "build/export" / recipe.FILE
    if file.is_file() and records.sha256(file) != stated["sha256"]:
        faults.append(f"model.json: {recipe.FILE} has another SHA-256")
    return faults


def cases(sources: Sources) -> list[str]:
    """Subjects of the test cases, and which were flagged, from the split, the scores and the thresholds."""
    faults, limits = [], sources["metrics"]["decisions"]["flag_above"]
    for case in sources["cases"]["cases"]:
        name, scores = case["case_id"], case["uncertainty"]
        subject = sources["split"]["cases"].get(name, {}).get("subject_id")
        flagged = {
            kind: None if limit is None else scores[kind]["score"] > limit for kind, limit in limits.items()
        }
        faults += differences.compared(
            f"cases.json: {name}",
            {"subject_id": case["subject_id"], "flagged": case["flagged"]},
            {"subject_id": subject, "flagged": flagged},
        )
    stated = {"run_id": sources["cases"]["run_id"], "excluded": sources["cases"]["excluded"]}
    return faults + differences.compared(
        "cases.json", stated, {"run_id": sources.train["run_id"], "excluded": sources.train["excluded"]}
    )


def metrics(sources: Sources) -> list[str]:
    """The summaries of metrics.json from cases.json, and in words how they are made."""
    from radiotrace.segmentation import (
        measures,
        methods,
        recompute,
    )  # here, because they take seconds to import

    settings = EvaluateParams.of(sources.params("evaluate"))
    stated, rows = sources["metrics"], sources["cases"]["cases"]
    table = {"measures": [one.record() for one in measures.TABLE]}
    wrong = differences.compared("metrics.json", stated["measures"], table["measures"], "/measures")
    if wrong := wrong + measure_table.misfits_of_cases(table, rows):
        return wrong  # nothing can be made of them
    made = recompute.summaries(rows, stated["decisions"], settings)
    made |= {
        "methods": methods.texts(settings),
        "n_cases": len(rows),
        "n_subjects": len({row["subject_id"] for row in rows}),
        "part": "test",
        "surface_tolerance_mm": settings.surface_tolerance_mm,
        "run_id": sources.train["run_id"],
        "excluded": sources.train["excluded"],
    }
    faults = differences.compared("metrics.json", {key: stated.get(key) for key in made}, made)
    decided = {"part": "validation", "n_cases": len(sources.part("validation"))}
    return faults + differences.compared(
        "metrics.json", {key: stated["decisions"][key] for key in decided}, decided, "/decisions"
    )


def headline(sources: Sources) -> list[str]:
    """The few numbers of the headline, from metrics.json."""
    from radiotrace.segmentation import results

    return differences.compared(
        "headline.json", sources["headline"], results.headline(Metrics.of(sources["metrics"])).record()
    )


def robustness(sources: Sources) -> list[str]:
    """All summaries of robustness, the severities at which the criterion breaks among them, from what came
    of each case."""
    from radiotrace.imaging import corruptions, parts
    from radiotrace.segmentation import robustness as robust

    settings = RobustnessParams.of(sources.params("robustness"))
    rows, stated = sources.robustness_cases, sources["robustness"]
    made = robust.summarise(rows, settings.criterion_dice)
    for name, row in made["corruptions"].items():
        row |= {"unit": corruptions.TABLE[name].unit, "strengths": corruptions.TABLE[name].strengths}
    steps = ("steps", "step_per_eps")
    made["adversarial"] |= {key: stated["adversarial"][key] for key in steps}
    made |= {"run_id": sources.train["run_id"], "part": "test", "excluded": sources.train["excluded"]}
    faults = differences.compared("robustness.json", stated, made)
    faults += differences.compared(
        "robustness.json", stated["adversarial"]["steps"], settings.adversarial.steps, "/adversarial/steps"
    )
    chosen = parts.spread(sources.part("test"), settings.cases)
    faults += differences.compared(ROBUSTNESS_CASES, [row["case_id"] for row in rows], chosen, "/cases")
    names = settings.corruptions or corruptions.names(sources["dataset"]["dataset"]["modality"])
    for row in rows:
        faults += differences.compared(
            f"{ROBUSTNESS_CASES}: {row['case_id']}",
            {"repeatability": row["repeatability"], "clean": row["clean"]},
            {"repeatability": robust.repeatability(row["shifts"]), "clean": row["shifts"][0]["dice"]},
        )
        faults += differences.compared(
            f"{ROBUSTNESS_CASES}: {row['case_id']}", sorted(row["corruptions"]), sorted(names), "/corruptions"
        )
    return faults


def explain(sources: Sources) -> list[str]:
    """Which cases are explained, and how, from cases.json and the parameters; the maps are those whose
    hash it states."""
    from radiotrace.segmentation import explain as explaining
    from radiotrace.segmentation import ranking

    settings = ExplainParams.of(sources.params("explain"))
    stated, rows = sources["explain"], sources["cases"]["cases"]
    chosen = ranking.worst_median_best(rows)
    labels = [label for case in stated["cases"] for label in case["labels"].values()]
    made = {
        "cases": [(rank, chosen[rank]) for rank in ("worst", "median")],
        "definitions": explaining.DEFINITIONS,
        "n_test_cases": len(rows),
        "n_maps": sum(label is not None for label in labels),
        "n_undefined": sum(label is None for label in labels),
        "run_id": sources.train["run_id"],
        "part": "test",
        "excluded": sources.train["excluded"],
        **{key: getattr(settings, key) for key in ("level", "near_mm", "repetitions")},
    }
    facts = {
        **{key: stated[key] for key in made},
        "cases": [[case["rank"], case["case_id"]] for case in stated["cases"]],
    }
    faults = differences.compared("explain.json", facts, made)
    folder = sources.clone.root / "build/explain"
    for label in labels:
        if (
            label
            and (folder / label["map"]).is_file()
            and records.sha256(folder / label["map"]) != label["map_sha256"]
        ):
            faults.append(f"build/explain/{label['map']}: another SHA-256 than explain.json states")
    return faults


def reference(sources: Sources) -> list[str]:
    """What of the reference for monitoring stands in other records: whose it is, of how many, and the
    limit of flagging."""
    from radiotrace.statistics import monitoring, shift

    stated, decided = (
        records.read(sources.clone.root / REFERENCE, "reference"),
        sources["metrics"]["decisions"]["flag_above"],
    )
    held_out = [name for part in ("validation", "test") for name in sources.part(part)]
    parts = [part for part in ("test", "validation") if sources.part(part)]
    limit = decided["prediction"]
    made = {
        "run_id": sources.train["run_id"],
        "weights_sha256": sources.train["weights_sha256"],
        "parts": parts,
        "seed": sources.params("evaluate")["seed"],
        "n_cases": len(held_out),
        "n_subjects": len({sources["split"]["cases"][name]["subject_id"] for name in held_out}),
        "flagging": None if limit is None else {"feature": "entropy", "above": limit},
        "how": {key: monitoring.HOW[key] for key in ("subjects", "psi")},
    }
    faults = differences.compared(REFERENCE, {key: stated[key] for key in made}, made)
    for group in monitoring.GROUPS:
        for name, row in stated[group].items():
            counted = {
                "deciles": shift.deciles(row["values"]),
                "n": len(row["values"]),
                "values": sorted(row["values"]),
            }
            faults += differences.compared(
                REFERENCE, {key: row[key] for key in counted}, counted, f"/{group}/{name}"
            )
    return faults


def packages(sources: Sources) -> list[str]:
    """The locked files of packages are of the pinned versions, all of them and no other."""
    root = sources.clone.study.repository
    pinned = distributions.pinned([pin for file in pin_files.every(root) for pin in pins.of(root / file)])
    return [
        f"{locked_wheels.PATH}: {fault}"
        for fault in locked_wheels.faults(records.read(root / locked_wheels.PATH, "wheels"), pinned)
    ]


def again(sources: Sources) -> list[str]:
    """Records of the test part that are not those that the ledger counted when this model was first shown it.

    A model may be judged again, with other code or other parameters; who reads should know that there was an
    earlier answer.
    """
    root, model = sources.clone.root, (sources.train["run_id"], sources.train["weights_sha256"])
    counted = [line for line in sources["openings"]["openings"] if ledgers.model(line) == model]
    # The files of the stages: those of the bundle write 1 where the stage counted 1.0.
    made = {name: _digest(root / path) for name, path in OPENED.items() if (root / path).is_file()}
    other = [
        line["stage"]
        for line in counted
        if line["metrics_sha256"] != made.get(line["stage"], line["metrics_sha256"])
    ]
    return [
        f"{Path(OPENED[name]).name} is not what came out when the test part was first opened for this "
        f"model: the stage {name} has run again "
        "since, with other code or parameters; git may have the earlier record"
        for name in other
    ]


def _digest(path: Path) -> str | None:
    """Of a record as it was counted; None where there is no such record, which is then not what was
    counted."""
    try:
        return records.digest(records.read(path, path.stem))
    except StageError:
        return None


# What each stage counted when it opened the test part.
OPENED = {
    "evaluate": "metrics/metrics.json",
    "robustness": "metrics/robustness.json",
    "explain": "build/explain/explain.json",
}
AGAIN = "what the ledger counted for this model is what stands here (a warning)"


def _told(sources: Sources) -> Check:
    found = _checked(AGAIN, again, sources)
    if found.looked:
        found.skipped += [
            f"{path} is not here: run 'make pull'"
            for path in OPENED.values()
            if not (sources.clone.root / path).is_file()
        ]
    return (
        found
        if not found.faults or not found.looked
        else Check(3, AGAIN, skipped=found.skipped, warned=found.faults)
    )


DERIVED = {
    "accepted cases follow from the data set": accepted_cases,
    "the split follows from seed, rule and subjects": split,
    "training is of the split and of its parameters": trained,
    "the recipe of the released model follows from training": model,
    "subjects and flags of test cases follow": cases,
    "summaries follow from cases": metrics,
    "the headline follows from the metrics": headline,
    "robustness follows from its cases": robustness,
    "explanations are of the cases that they must be of": explain,
    "the reference for monitoring is of this run": reference,
    "locked packages are the pinned ones": packages,
}


def checks(clone: Clone) -> list[Check]:
    """Level 3: each derived record, made again from those that it stands on."""
    sources = Sources(clone)
    return [*(_checked(what, function, sources) for what, function in DERIVED.items()), _told(sources)]


def _checked(what: str, function, sources: Sources) -> Check:
    absent = [
        name for name in (TRAIN, ROBUSTNESS_CASES, REFERENCE) if not (sources.clone.root / name).is_file()
    ]
    try:
        return Check(3, what, function(sources))
    except StageError as error:
        if (
            any(name in error.headline for name in absent)
            and not (Path(sources.clone.root) / "build").exists()
        ):
            return Check(3, what, skipped=["there is no build/: run 'make pull'"], looked=False)
        return Check(3, what, [error.headline, *error.findings])
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        return Check(3, what, [f"cannot be looked at: {type(error).__name__}: {error}"])
