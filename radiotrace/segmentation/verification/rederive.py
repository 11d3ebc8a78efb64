"""Rederiving: each record of the bundle that follows from other records is made from them again, with the
functions that the stages call; those of this task. What every study has is made again by
evidence/verify/derived.py.

Needs neither torch nor images; what needs them is made again at level 4 (checks.py) and at level 5
(remade.py, released.py).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from math import prod
from pathlib import Path

from radiotrace import records
from radiotrace.evidence.verify import differences
from radiotrace.evidence.verify.derived import TRAIN, Sources
from radiotrace.imaging import channels
from radiotrace.inference import contracted, model_record, recipe, release_card
from radiotrace.pipeline import params
from radiotrace.records import measure_table, model_run, typed
from radiotrace.records.dataset import Dataset
from radiotrace.records.distilled import Distilled
from radiotrace.records.imported_run import ImportedParams, ImportedRun
from radiotrace.records.metrics import Metrics
from radiotrace.records.model import ReleasedModel
from radiotrace.records.sections.segmentation.distil import DistilParams
from radiotrace.records.sections.segmentation.evaluate import EvaluateParams
from radiotrace.records.sections.segmentation.explain import ExplainParams
from radiotrace.records.sections.segmentation.export import ExportParams
from radiotrace.records.sections.segmentation.optimize import OptimizeParams
from radiotrace.records.sections.segmentation.robustness import RobustnessParams
from radiotrace.records.sections.segmentation.train import TrainParams
from radiotrace.records.variants import Variants

DISTILLED = "distilled.json"
ROBUSTNESS_CASES, REFERENCE = "build/robustness/cases.json", "build/evaluate/results/reference.json"


def robustness_cases(sources: Sources) -> list[dict]:
    """What came of each case that was corrupted and attacked."""
    return records.read(sources.clone.root / ROBUSTNESS_CASES, "robustness_cases")["cases"]


def imported(sources: Sources, run: ImportedRun) -> list[str]:
    """What the record of an imported model says that follows from its contract and the split."""
    test = sources.part("test")
    derived = {
        "labels": sources["split"]["labels"],
        "excluded": sources["split"]["excluded"],
        "params": ImportedParams.of(sources.params("train")).record(),
        "preprocessing": contracted.recipe(run.contract).preprocessing().record(),
        "unknown": contracted.unknown(run.contract),
        "tried": {"validation": sources.part("validation"), "test": test},
    }
    faults = differences.compared(TRAIN, {key: sources.train[key] for key in derived}, derived)
    dataset = Dataset.of(sources["dataset"])
    return [*faults, *contracted.misfits(run.contract, dataset, sources["split"]["labels"], test)]


def trained(sources: Sources) -> list[str]:
    """What the record of training says of its cases, labels and recipe: they are those of the split, the
    data set and its parameters."""
    train = sources.train
    run = model_run.of(train)
    if isinstance(run, ImportedRun):
        return imported(sources, run)
    settings = TrainParams.of(sources.params("train")).record()
    stated = {key: train[key] for key in ("cases", "labels", "excluded", "params")}
    derived = {
        "cases": {part: sources.part(part) for part in train["cases"]},
        "labels": sources["split"]["labels"],
        "excluded": sources["split"]["excluded"],
        "params": settings,
    }
    faults = differences.compared(TRAIN, stated, derived)
    declared = channels.of_dataset(Dataset.of(sources["dataset"]).dataset)
    # what intensities are is found again at level 5 (remade.py); here, that they are there where asked for
    found = [channel.intensities for channel in recipe.Recipe.of(run.preprocessing).channels]
    faults += differences.compared(
        TRAIN,
        ["image" if each is None else "labels" for each in found],
        channels.of_each(declared, settings["normalise_by"]),
        "/preprocessing, normalised by",
    )
    own = channels.within(settings.get("normalise_within", "image"))
    normalised = channels.normalised(declared, settings["clip_percentiles"], found, own)
    spec = {
        "crop": None,
        "bias_field": None,
        **sources["dataset"]["canonical"],
        **{key: settings[key] for key in ("patch_voxels", "window_voxels")},
        **typed.plain(recipe.of_channels(normalised)),
    }
    faults += differences.compared(
        TRAIN, {key: train["preprocessing"].get(key) for key in spec}, spec, "/preprocessing"
    )
    network = {"name": settings["network"], "labels": len(train["labels"])} | {
        key: settings[key] for key in ("features", "norm", "upsampling", "dropout")
    }
    of_data = {
        "image_channels": (len(declared), 1),
        "one_slice": (settings["patch_voxels"][2] == 1, False),
        "strides": (settings["strides"], None),
        "kernels": (settings["kernels"], None),
    }
    network |= {key: None if value == usual else value for key, (value, usual) in of_data.items()}
    return faults + differences.compared(
        TRAIN, {key: train["network"].get(key) for key in network}, network, "/network"
    )


def model(sources: Sources) -> list[str]:
    """The recipe beside the released file, and its card: all but what was measured follows from training,
    data set, decisions and parameters."""
    from radiotrace.imaging import parts  # here, because it reads images elsewhere

    stated, settings = ReleasedModel.of(sources["model"]), ExportParams.of(sources.params("export"))
    dataset, metrics = Dataset.of(sources["dataset"]), Metrics.of(sources["metrics"])
    tested = [case["case_id"] for case in sources["cases"]["cases"]]
    chosen = parts.spread(tested, settings.parity_cases or len(tested))
    smallest = model_record.golden_cases(dataset, chosen, settings.golden_cases)
    files = {path: sha256 for case in smallest for path, sha256 in model_record.golden_images(case).items()}
    measured = {case.case_id: case for case in stated.golden}
    for case in smallest:
        path = model_record.golden_label_map(case)
        files[path] = stated.files.get(path, "missing")
    made = model_record.Made(
        stated.sha256,
        files,
        replace(stated.parity, cases=tuple(chosen), tolerance=settings.parity_tolerance),
        tuple(
            replace(
                measured[case.case_id],
                images=tuple(model_record.golden_images(case)),
                label_map=model_record.golden_label_map(case),
            )
            for case in smallest
            if case.case_id in measured
        ),
    )
    derived = model_record.released(model_run.of(sources.train), dataset, metrics.decisions, settings, made)
    intended_use = params.load_yaml(sources.clone.root / "design/intended_use.yaml")
    card = release_card.text(derived, metrics, intended_use).encode()
    files[model_record.CARD] = hashlib.sha256(card).hexdigest()
    derived = replace(derived, files=dict(sorted(files.items())))
    faults = differences.compared("model.json", sources["model"], derived.record())
    faults += [f"model.json: {fault}" for fault in model_record.disagreements(stated.parity)]
    if stated.parity.worst_case not in stated.parity.cases:
        faults.append(f"model.json: the worst case {stated.parity.worst_case} is none of those compared")
    voxels_of = {case.case_id: prod(case.image.grid.size_voxels) for case in smallest if case.image.grid}
    for case in stated.golden:
        voxels = voxels_of.get(case.case_id)
        if sum(case.voxels.values()) != voxels:
            faults.append(f"model.json: {case.case_id} has {voxels} voxels, not {sum(case.voxels.values())}")
    folder = sources.clone.root / "build/export"
    return faults + _files(folder, {model_record.FILE: stated.sha256, **stated.files}, model_record.RECORD)


def _files(folder: Path, sha256_by_name: Mapping[str, str], record: str) -> list[str]:
    """Files of a folder that are missing, are not those that its record states, or are not in it; [] where
    the folder was not pulled."""
    if not folder.is_dir():
        return []
    known = {*sha256_by_name, record, "provenance.json"}
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    faults = [f"{record}: {name} is missing" for name in sorted(sha256_by_name.keys() - there)]
    faults += [f"{record}: {name} lies beside it and is not in it" for name in sorted(there - known)]
    return faults + [
        f"{record}: {name} has another SHA-256"
        for name, sha256 in sorted(sha256_by_name.items())
        if name in there and records.sha256(folder / name) != sha256
    ]


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
    table = {"measures": [measure.record() for measure in measures.TABLE]}
    wrong = differences.compared("metrics.json", stated["measures"], table["measures"], "/measures")
    if wrong := wrong + measure_table.misfits_of_cases(table, rows):
        return wrong  # nothing can be made of them
    derived = recompute.summaries(rows, stated["decisions"], settings)
    derived |= {
        "methods": methods.texts(settings),
        "n_cases": len(rows),
        "n_subjects": len({row["subject_id"] for row in rows}),
        "part": "test",
        "surface_tolerance_mm": settings.surface_tolerance_mm,
        "run_id": sources.train["run_id"],
        "excluded": sources.train["excluded"],
    }
    faults = differences.compared("metrics.json", {key: stated.get(key) for key in derived}, derived)
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
    rows, stated = robustness_cases(sources), sources["robustness"]
    derived = robust.summarise(rows, settings.criterion_dice)
    for name, row in derived["corruptions"].items():
        row |= {"unit": corruptions.TABLE[name].unit, "strengths": corruptions.TABLE[name].strengths}
    steps = ("steps", "step_per_eps")
    attacked = stated["adversarial"] is not None
    if attacked and derived["adversarial"] is not None:
        derived["adversarial"] |= {key: stated["adversarial"][key] for key in steps}
    why = model_run.not_possible(model_run.of(sources.train)).get("adversarial")
    derived |= {"no_attack_because": why} if why else {}
    derived |= {"run_id": sources.train["run_id"], "part": "test", "excluded": sources.train["excluded"]}
    faults = differences.compared("robustness.json", stated, derived)
    if attacked:
        faults += differences.compared(
            "robustness.json",
            stated["adversarial"]["steps"],
            settings.adversarial.steps,
            "/adversarial/steps",
        )
    elif why is None:
        faults.append("robustness.json: nothing was attacked, and nothing says why")
    chosen = parts.spread(sources.part("test"), settings.cases)
    faults += differences.compared(ROBUSTNESS_CASES, [row["case_id"] for row in rows], chosen, "/cases")
    dataset = Dataset.of(sources["dataset"])
    declared = channels.of_dataset(dataset.dataset)
    names = settings.corruptions or corruptions.names(declared, parts.are_pictures(dataset))
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
    derived = {
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
        **{key: stated[key] for key in derived},
        "cases": [[case["rank"], case["case_id"]] for case in stated["cases"]],
    }
    faults = differences.compared("explain.json", facts, derived)
    folder = sources.clone.root / "build/explain"
    for label in labels:
        if (
            label
            and (folder / label["map"]).is_file()
            and records.sha256(folder / label["map"]) != label["map_sha256"]
        ):
            faults.append(f"build/explain/{label['map']}: another SHA-256 than explain.json states")
    return faults


def variants(sources: Sources) -> list[str]:
    """Of the smaller variants: of which network and cases they are, and which of them are released, from
    their intervals and the margin; files that are here are those whose hash it states."""
    from radiotrace.imaging import parts  # here, because they take seconds to import
    from radiotrace.segmentation import equivalence
    from radiotrace.statistics import comparison

    stated, settings = sources["variants"], OptimizeParams.of(sources.params("optimize"))
    taught = Distilled.of(sources["distilled"])
    rows, file = sources["cases"]["cases"], sources.clone.root / "build/export" / model_record.FILE
    derived = {
        "run_id": sources.train["run_id"],
        "part": "test",
        "excluded": sources.train["excluded"],
        "n_cases": len(rows),
        "n_subjects": len({row["subject_id"] for row in rows}),
        "params": settings.record(),
        "how": comparison.HOW,
    }
    faults = differences.compared("variants.json", {key: stated[key] for key in derived}, derived)
    facts = {
        "calibrated on": stated["calibration"]["cases"],
        "reference": stated["reference"]["sha256"],
        "variants": sorted(stated["variants"]),
        "not made": stated["not_made"],
    }
    expected = {
        "calibrated on": parts.spread(sources.part("train"), settings.calibration_cases),
        "reference": sources["model"]["sha256"],
        "variants": sorted((*settings.variants, *taught.forms)),
        "not made": sources["distilled"]["not_made"],
    }
    faults += differences.compared("variants.json", facts, expected)
    if file.is_file() and file.stat().st_size != stated["reference"]["bytes"]:
        faults.append(f"variants.json: {model_record.FILE} has another size")
    record = Variants.of(stated)
    released: dict[str, str] = {}
    folder = sources.clone.root / "build/optimize"
    for name, variant in record.variants.items():
        again = equivalence.verdict(variant, settings.margin_dice, stated["reference"]["bytes"])
        again = replace(again, runtime=equivalence.RUNTIMES[name], is_own_file=name != equivalence.NOT_OWN)
        faults += differences.compared(f"variants.json: {name}", variant.record(), again.record())
        faults += [f"variants.json: {name}: {fault}" for fault in equivalence.contradictions(variant, record)]
        if variant.is_own_file and variant.released:
            released |= {stored.file: stored.sha256 for stored in variant.files}
            faults += [
                f"variants.json: {stored.file} has another size"
                for stored in variant.files
                if (folder / stored.file).is_file() and (folder / stored.file).stat().st_size != stored.bytes
            ]
        elif not variant.is_own_file and [stored.sha256 for stored in variant.files] != [
            stated["reference"]["sha256"]
        ]:
            faults.append(f"variants.json: {name} is said to have the released file, and has another")
    faults += [
        f"variants.json: {name} is of another network than distilled.json says"
        for name, form in taught.forms.items()
        if name in record.variants
        and [(stored.sha256, stored.bytes) for stored in record.variants[name].files]
        != [(form.sha256, form.bytes)]
    ]
    return faults + _files(folder, released, "variants.json")


def distilled(sources: Sources) -> list[str]:
    """Of the smaller networks: of which run and cases they are, and that each form that was asked for is
    there or is said not to be; files that are here are those whose hash it states."""
    stated, settings = sources["distilled"], DistilParams.of(sources.params("distil"))
    train = sources.train
    derived = {
        "run_id": train["run_id"],
        "weights_sha256": train["weights_sha256"],
        "excluded": train["excluded"],
        # of a model that was made elsewhere nobody knows the cases; the parts are those of this study
        "cases": train.get("cases", {part: sources.part(part) for part in ("train", "validation")}),
        "params": settings.record(),
    }
    faults = differences.compared(DISTILLED, {key: stated[key] for key in derived}, derived)
    record = Distilled.of(stated)
    named = sorted((*record.forms, *record.not_made))
    faults += differences.compared(DISTILLED, named, sorted(settings.forms), "/forms and not_made")
    if model_run.is_imported(train) and record.forms:
        faults.append(f"{DISTILLED}: forms of a model that was made elsewhere: {', '.join(record.forms)}")
    labels, has_offsets = len(train["labels"]), train["params"].get("balance_volumes", False)
    lengths = {"sparse": 0, "pruned": settings.pruned.epochs}
    for name, form in record.forms.items():
        expected = {
            "offsets": labels if has_offsets else 0,
            "labels": labels,
            "epochs": lengths.get(name, settings.narrow.epochs),
        }
        found = {
            "offsets": len(form.logit_offsets or ()),
            "labels": form.network.labels,
            "epochs": len(form.history),
        }
        faults += differences.compared(DISTILLED, found, expected, f"/forms/{name}")
    files = {form.file: form.sha256 for form in record.forms.values()}
    return faults + _files(sources.clone.root / "build/distil", files, DISTILLED)


def reference(sources: Sources) -> list[str]:
    """What of the reference for monitoring stands in other records: whose it is, of how many, and the
    limit of flagging."""
    from radiotrace.statistics import monitoring, shift, uncertainty

    stated, decided = (
        records.read(sources.clone.root / REFERENCE, "reference"),
        sources["metrics"]["decisions"]["flag_above"],
    )
    held_out = [name for part in ("validation", "test") for name in sources.part(part)]
    parts = [part for part in ("test", "validation") if sources.part(part)]
    limit = decided["prediction"]
    derived = {
        "run_id": sources.train["run_id"],
        "weights_sha256": sources.train["weights_sha256"],
        "parts": parts,
        "seed": sources.params("evaluate")["seed"],
        "n_cases": len(held_out),
        "n_subjects": len({sources["split"]["cases"][name]["subject_id"] for name in held_out}),
        "flagging": None if limit is None else {"feature": uncertainty.SCORE, "above": limit},
        "how": {key: monitoring.HOW[key] for key in ("subjects", "psi")},
    }
    faults = differences.compared(REFERENCE, {key: stated[key] for key in derived}, derived)
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


# What each stage counted when it opened the test part.
OPENED = {
    "evaluate": "metrics/metrics.json",
    "robustness": "metrics/robustness.json",
    "explain": "build/explain/explain.json",
    "optimize": "build/optimize/variants.json",
}
DERIVED = {
    "training is of the split and of its parameters": trained,
    "the recipe of the released model follows from training": model,
    "subjects and flags of test cases follow": cases,
    "summaries follow from cases": metrics,
    "the headline follows from the metrics": headline,
    "robustness follows from its cases": robustness,
    "explanations are of the cases that they must be of": explain,
    "the reference for monitoring is of this run": reference,
    "smaller networks are of the run and of their parameters": distilled,
    "which variants are released follows from their intervals": variants,
}
