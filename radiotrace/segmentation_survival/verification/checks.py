"""What verify makes again of a study of segmentation with survival, level by level; as
radiotrace/segmentation/verification/checks.py says what a task has here. Outlines are made again as that task
makes them; what is of survival is made again here."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from radiotrace import records
from radiotrace.evidence.verify import believed, differences, judged
from radiotrace.evidence.verify.derived import Derivation, Sources
from radiotrace.evidence.verify.judged import Judged
from radiotrace.evidence.verify.levels import Check, Clone
from radiotrace.pipeline import tasks
from radiotrace.records.dataset import Dataset
from radiotrace.records.sections.segmentation_survival.hazard import HazardParams
from radiotrace.records.sections.segmentation_survival.survival import SurvivalParams
from radiotrace.records.segmentation_survival.hazard import Hazard
from radiotrace.records.split import Split
from radiotrace.segmentation.verification import checks as of_outlines
from radiotrace.segmentation.verification import rederive

TASK = "segmentation_survival"
SURVIVAL = "metrics/survival.json"
TOLD = "the network tells the log-hazards that were measured"
RELEASED = "the released file tells the log-hazards that were measured"
TOLERANCE = 1e-4  # of a log-hazard that is computed again on a machine of the same kind
# what needs images, beside the cases themselves: level 5, where the stage runs again
NOT_OF_CASES = ("robustness", "burden_weights", "cases", "unit", "run_id", "part", "excluded")
OPENED = {
    "evaluate": "metrics/metrics.json",
    "survival": SURVIVAL,
    "robustness": "metrics/robustness.json",
    "explain": "build/explain/explain.json",
}
# what of a segmentation such a study has not
NOT_HERE = (rederive.distilled, rederive.variants)


class OfOutlines(Sources):
    """The sources as segmentation takes them: the parameters of train without the section hazard."""

    def params(self, name: str) -> dict:
        """Parameters of a stage, as the bundle states them; of train, its section and the seed."""
        stated = super().params(name)
        return {key: value for key, value in stated.items() if name != "train" or key != "hazard"}


def of_segmentation(sources: Sources, derivation: Derivation) -> list[str]:
    """What segmentation derives, of the same clone."""
    return derivation(OfOutlines(sources.clone, sources.task))


def hazard(sources: Sources) -> list[str]:
    """Of which run and cases the record of the hazard is, and that its counts and intervals of time are those
    of the train part."""
    from radiotrace.segmentation_survival import losses  # here, because it imports torch

    stated, train = sources["hazard"], sources.train
    taken = sources.params("train")
    settings = HazardParams.of(taken["hazard"] | {"seed": taken["seed"]})
    learnt = _outcomes(sources, "train", settings)
    parts = sorted({*sources.part("train"), *sources.part("validation")})
    made: dict[str, Any] = {
        "run_id": train["run_id"],
        "weights_sha256": train["weights_sha256"],
        "params": settings.record(),
        "n_train": len(learnt.time),
        "n_events": int(learnt.event.sum()),
        "edges": losses.edges(learnt.time, learnt.event, len(stated["edges"])).tolist(),
    }
    made = records.canonical(made)
    faults = differences.compared("hazard.json", {key: stated[key] for key in made}, made)
    faults += differences.compared("hazard.json", sorted(stated["cases"]), parts, "/cases")
    is_discrete = settings.loss == "discrete"
    if (stated["offsets"] is not None) != is_discrete:
        faults.append(f"hazard.json: offsets do not fit the loss {settings.loss}")
    if (stated["alone"] is not None) != settings.alone:
        faults.append(f"hazard.json: alone does not fit hazard.alone {settings.alone}")
    elif stated["alone"] is not None:
        faults += differences.compared("hazard.json", sorted(stated["alone"]["cases"]), parts, "/alone/cases")
    return faults


def _outcomes(sources: Sources, part: str, settings: HazardParams):
    from radiotrace.segmentation_survival import outcomes

    dataset, split = Dataset.of(sources["dataset"]), Split.of(sources["split"])
    cases = outcomes.of_part(dataset, split, part)
    return outcomes.of_cases(cases, settings.time, settings.event)


def survival(sources: Sources) -> list[str]:
    """What of survival.json follows from its cases, the record of the hazard and cases.csv."""
    from radiotrace.segmentation_survival import (
        outcomes,
        results,
    )  # here, because they take seconds to import

    stated, record = sources["survival"], Hazard.of(sources["hazard"])
    settings = SurvivalParams.of(sources.params("survival"))
    dataset, split = Dataset.of(sources["dataset"]), Split.of(sources["split"])
    cases = outcomes.of_part(dataset, split, "test")
    found = _outcomes(sources, "test", record.params)
    learnt = _outcomes(sources, "train", record.params)
    rows = stated["cases"]
    facts = [[row["case_id"], row["subject_id"], row["time"], row["event"]] for row in rows]
    known = [
        [case.case_id, case.subject_id, float(time), bool(event)]
        for case, time, event in zip(cases, found.time, found.event, strict=True)
    ]
    faults = differences.compared("survival.json", facts, records.canonical(known), "/cases")
    if faults:
        return faults  # nothing can be made of them
    import numpy as np

    risk = np.array([row["told"]["log_hazard"] for row in rows])
    chances, groups = results.of_case(risk, record, learnt, settings)
    for place, row in enumerate(rows):
        made = records.canonical({"survival": chances[place].tolist(), "risk_group": int(groups[place])})
        faults += differences.compared(
            f"survival.json: {row['case_id']}", {key: row[key] for key in made}, made
        )
    made = records.canonical(
        results.summary(rows, record, learnt, found, results.attributes_of(cases), settings)
    )
    about = {
        "run_id": sources.train["run_id"],
        "part": "test",
        "excluded": sources.train["excluded"],
        "unit": (dataset.dataset.columns or {})[record.params.time].unit or "",
    }
    made |= about
    stated_there = {key: stated.get(key) for key in made}
    faults += differences.compared("survival.json", stated_there, made)
    if unknown := sorted(stated.keys() - made.keys() - set(NOT_OF_CASES)):
        faults.append(f"survival.json: nothing makes {', '.join(unknown)}")
    return faults


def prognosis(sources: Sources) -> list[str]:
    """What of the record of the released file other records say."""
    from radiotrace.segmentation_survival import released  # here, because it imports torch

    stated, train = sources["prognosis"], sources.train
    record = Hazard.of(sources["hazard"])
    made = records.canonical(
        {
            "run_id": train["run_id"],
            "weights_sha256": train["weights_sha256"],
            "network": train["network"],
            "preprocessing": train["preprocessing"],
            "labels": train["labels"],
            "window_voxels": train["preprocessing"]["window_voxels"],
            "outputs": released.OUTPUTS,
            "limits": list(released.LIMITS),
            "baseline": released.baseline(record, _outcomes(sources, "train", record.params)),
            "params": sources.params("release"),
        }
    )
    faults = differences.compared("prognosis.json", {key: stated[key] for key in made}, made)
    parity = stated["parity"]
    faults += differences.compared(
        "prognosis.json", parity["cases"], [row["case_id"] for row in sources["survival"]["cases"]], "/parity"
    )
    for name in ("max_log_hazard_difference", "max_logit_difference"):
        if parity[name] > parity["tolerance"]:
            faults.append(f"prognosis.json: {name} {parity[name]} is above {parity['tolerance']}")
    file = sources.clone.root / "build/release" / stated["file"]
    if file.is_file() and records.sha256(file) != stated["sha256"]:
        faults.append(f"prognosis.json: {stated['file']} has another SHA-256")
    return faults


def _of_outlines() -> dict[str, Callable[[Sources], list[str]]]:
    return {
        what: partial(of_segmentation, derivation=function)
        for what, function in rederive.DERIVED.items()
        if function not in NOT_HERE
    }


DERIVED = {
    **_of_outlines(),
    "the hazard was learnt from the outcomes of the train part": hazard,
    "survival follows from its cases and from what came of them": survival,
    "the file with both answers is of what was measured": prognosis,
}


def under(run: Judged, fault: str) -> dict:
    """The records 'metrics' and 'survival' under a seeded fault of the predictions. Who gets the outlines of
    another gets its log-hazard, too; labels that change places leave it as it was."""
    faulted = of_outlines.under(run, fault)
    if fault != "shuffle cases":
        return faulted
    return faulted | {"survival": _shuffled(run)}


def _shuffled(run: Judged) -> dict:
    """The record 'survival' where each case is told what the next one is."""
    from radiotrace.segmentation_survival import (
        outcomes,
        results,
    )  # here, because they take seconds to import

    root = run.data.parent
    stated = run.metrics.get("survival") or records.read(root / SURVIVAL, "survival")
    record = Hazard.of(records.read(root / "build/train/hazard.json", "hazard"))
    settings = SurvivalParams.of(
        records.read(root / "build/survival/provenance.json", "provenance")["params"]
    )
    dataset, split = Dataset.of(run.dataset), Split.of(run.split)
    time, event = record.params.time, record.params.event
    learnt, found = (
        outcomes.of_cases(outcomes.of_part(dataset, split, part), time, event) for part in ("train", "test")
    )
    rows = stated["cases"]
    shuffled = [
        {**row, "told": other["told"], "alone": other["alone"]}
        for row, other in zip(rows, [*rows[1:], rows[0]], strict=True)
    ]
    cases = outcomes.of_part(dataset, split, "test")
    made = results.summary(shuffled, record, learnt, found, results.attributes_of(cases), settings)
    return stated | records.canonical(made)


def measured(clone: Clone) -> Check:
    """Level 4: each case's measures of outlines, as segmentation makes them again."""
    check = of_outlines.measure_again(clone)
    return replace(check, skipped=[*check.skipped, "log-hazards: they need the network, level 5"])


def told_again(clone: Clone) -> list[str]:
    """Level 5: the log-hazard of each test case, told again by the network, and by the released file."""
    from radiotrace.inference.recipe import Recipe
    from radiotrace.learning import architecture, numerics, trained
    from radiotrace.records.train import TrainingRun
    from radiotrace.segmentation_survival import telling

    root = clone.root
    run = TrainingRun.of(records.read(root / "build/train/train.json", "train"))
    dataset = Dataset.of(judged.read(root, tasks.declared(TASK)).dataset)
    stated = records.read(root / SURVIVAL, "survival")["cases"]
    numerics.configure(run.params.numerics, run.params.threads)
    network = trained.load(run.network, str(root / "build/train/weights.safetensors"), run.weights_sha256)
    body, recipe = architecture.body(network), Recipe.of(run.preprocessing)
    entries, faults = {case.case_id: case for case in dataset.cases}, []
    for row in stated:
        told, _, _ = telling.of_case(
            entries[row["case_id"]], root / "build/ingest/volumes", body, recipe, dict(run.labels)
        )
        if not abs(told.log_hazard - row["told"]["log_hazard"]) <= TOLERANCE:
            faults.append(
                f"{row['case_id']}: log-hazard {told.log_hazard:.6f}, stated {row['told']['log_hazard']:.6f}"
            )
    return faults


def released_again(clone: Clone) -> list[str]:
    """Level 5: the log-hazard of each test case by the released file."""
    import torch

    from radiotrace.inference import intensity
    from radiotrace.inference.recipe import Recipe
    from radiotrace.records.segmentation_survival.released import ReleasedHazard
    from radiotrace.segmentation import dataset as volumes_of
    from radiotrace.segmentation_survival import joint, released

    root = clone.root
    model = ReleasedHazard.of(records.read(root / "build/release/prognosis.json", "released_hazard"))
    content = (root / "build/release" / model.file).read_bytes()
    run, recipe = released.session(content, model.params.threads), Recipe.of(model.preprocessing)
    dataset = Dataset.of(judged.read(root, tasks.declared(TASK)).dataset)
    entries, faults = {case.case_id: case for case in dataset.cases}, []
    for row in records.read(root / SURVIVAL, "survival")["cases"]:
        image, _ = volumes_of.read_volumes(
            root / "build/ingest/volumes", entries[row["case_id"]], recipe.channels
        )
        normalised = torch.from_numpy(intensity.normalise_channels(image.values_czyx, recipe.channels))
        _, log_hazard = run(joint.whole(normalised, recipe).numpy())
        if not abs(float(log_hazard[0]) - row["told"]["log_hazard"]) <= model.parity.tolerance:
            faults.append(
                f"{row['case_id']}: log-hazard {float(log_hazard[0]):.6f}, measured "
                f"{row['told']['log_hazard']:.6f}"
            )
    return faults


LEVELS = {
    4: ((believed.MEASURED, measured),),
    5: (*of_outlines.LEVELS[5], (TOLD, told_again), (RELEASED, released_again)),
}
