"""The bundle: records of a run that were found to agree, each listed with its SHA-256."""

from collections.abc import Mapping
from pathlib import Path

from radiotrace import records
from radiotrace.evidence.bundle import selection
from radiotrace.pipeline import runs
from radiotrace.records import ledgers, measure_table, merkle, raw_files


def contradictions(
    sources: dict[str, dict],
    provenance: list[dict],
    files: dict[str, str],
    of_task: Mapping[str, str],
) -> list[str]:
    """Where records of one run contradict each other or the files beside them; [] when they agree.

    Args:
        sources: name -> record, of dataset, split, openings, train, metrics, headline, cases, model, and
            whatever else the task declares.
        provenance: the record 'provenance' of each stage.
        files: path -> SHA-256 as the file is now, of everything that a record states a hash of.
        of_task: record of the task -> its schema.
    """
    faults = []

    def same(place, found, expected):
        if found != expected:
            faults.append(f"{place}: found {found}, expected {expected}")

    train, model, dataset = sources["train"], sources["model"], sources["dataset"]
    made = {record["stage"]: record for record in provenance}
    same("run_id of build/train/train.json", train["run_id"], runs.run_id(made["train"]))
    of_run = (name for name in of_task if name in sources and name != "train")
    for name in (name for name in of_run if "run_id" in sources[name]):  # what training reads has none
        same(f"run_id of {name}.json", sources[name]["run_id"], train["run_id"])
    faults += selection.faults(train)
    same("SHA-256 of weights.safetensors", files["build/train/weights.safetensors"], train["weights_sha256"])
    same("weights behind model.onnx", model["weights_sha256"], train["weights_sha256"])
    same("SHA-256 of model.onnx", files["build/export/model.onnx"], model["sha256"])
    raw = raw_files.hashes(dataset["cases"])
    same("root of the data set", merkle.root(raw), dataset["dataset"]["root_sha256"])
    test = sorted(case_id for case_id, row in sources["split"]["cases"].items() if row["part"] == "test")
    same("cases that were evaluated", sorted(case["case_id"] for case in sources["cases"]["cases"]), test)
    train = {"cases": named_by_contract(train), **train}
    if seen := sorted(set(test) & {case_id for case_ids in train["cases"].values() for case_id in case_ids}):
        faults.append(f"test cases that training saw: {', '.join(seen)}")
    models = {ledgers.model(line) for line in sources["openings"]["openings"]}
    if not models & {(train["run_id"], train["weights_sha256"]), (train["run_id"], None)}:
        faults.append(
            f"openings of the test part: none of run {train['run_id'][:12]} with weights "
            f"{train['weights_sha256'][:12]}, expected one"
        )
    if not faults:  # the cases are known to be the right ones
        metrics, rows = sources["metrics"], sources["cases"]["cases"]
        faults += measure_table.misfits_of_cases(metrics, rows, of_task["cases"])
        faults += measure_table.misfits_of_headline(metrics, sources["headline"], of_task["headline"])
    if not faults:  # and to have what is averaged
        leading = measure_table.leading(metrics)
        for name, summary in metrics[leading.name].items():
            if name != "mean_of_labels":
                mean = _mean(case["labels"][name][leading.name] for case in rows)
                same(f"mean {leading.title} of {name}", _six_digits(summary["mean"]), _six_digits(mean))
    for record in provenance:
        for path, digest in record["inputs"].items():
            same(f"{path}, read by {record['stage']}", files.get(path), digest)
        for path, digest in record["requirements_sha256"].items():
            same(f"{path}, pins of {record['stage']}", files.get(path), digest)
    return faults


def named_by_contract(train: dict) -> dict[str, list[str]]:
    """The cases that an imported model has learnt from, as far as its contract names them; its record has no
    'cases' of its own. None of a model that was trained here."""
    named = train["contract"]["origin"]["study_cases"] if "contract" in train else "none"
    return {} if isinstance(named, str) else {"train": named}


def elsewhere(train: dict) -> list[dict[str, str]]:
    """What of a model that was made elsewhere blocks its release, as rows {"item", "gap"} of the record
    'traceability': that nobody knows whether it has learnt from the test part, and that nobody knows whether
    it may be handed on. None of a model that was trained here."""
    if "contract" not in train:
        return []
    origin, gaps = train["contract"]["origin"], []
    if origin["study_cases"] == "unknown":
        gaps.append(
            "whether the imported model has learnt from cases of the test part is unknown: leakage between "
            "its training data and this test part cannot be excluded"
        )
    if origin["licence"] == "unknown":
        gaps.append("the licence of the imported model is unknown")
    return [{"item": "imported_run", "gap": gap} for gap in gaps]


def _mean(values) -> float | None:
    defined = [value for value in values if value is not None]
    return sum(defined) / len(defined) if defined else None


def _six_digits(value: float | None) -> str:
    """Summation order moves the last of nine digits."""
    return "undefined" if value is None else f"{value:.6f}"


def run_record(train: dict, dataset: dict, provenance: list[dict]) -> dict:
    """The record 'run': what decided each stage's outputs, and the hash of that."""
    return {
        "run_id": train["run_id"],
        "dataset_root_sha256": dataset["dataset"]["root_sha256"],
        "stages": [{**record, "sha256": records.digest(record)} for record in provenance],
    }


def hyperparameters(run_id: str, provenance: list[dict]) -> dict:
    """The record 'hyperparameters': the parameters of each stage, from the stages themselves."""
    return {"run_id": run_id, "stages": {record["stage"]: record["params"] for record in provenance}}


def test_part(run_id: str, lines: list[dict]) -> str:
    """The test part that a run was shown, as the ledger names it; nothing where the ledger does not know
    the run."""
    return next((line["cases_sha256"] for line in lines if line["run_id"] == run_id), "")


def openings(run_id: str, lines: list[dict]) -> dict:
    """The record 'openings': every time that a model was shown the test part of this run, and how many models
    that were.

    Args:
        lines: of the ledger, those of other test parts (of folds, of another split) among them.
    """
    part = {line["cases_sha256"] for line in lines if line["run_id"] == run_id}
    same = [line for line in lines if line["cases_sha256"] in part]
    return {"run_id": run_id, "n_models": ledgers.n_models(same), "openings": same}


def manifest(
    run_id: str, folder: Path, name: str, schema_of: dict[str, str], vouched: dict[str, Path]
) -> dict:
    """The record 'manifest': the files of the bundle, and the files outside it that it vouches for, sorted by
    path.

    Args:
        folder: where the bundle is now.
        name: what its folder will be called.
        schema_of: file of the bundle -> its schema.
        vouched: path as it stands in the repository -> file.
    """
    inside = [(f"{name}/{path.name}", path, schema_of[path.name], True) for path in folder.iterdir()]
    outside = [(path, file, None, False) for path, file in vouched.items()]
    return {
        "run_id": run_id,
        "files": [
            {
                "path": path,
                "sha256": records.sha256(file),
                "bytes": Path(file).stat().st_size,
                "schema": schema,
                "in_bundle": in_bundle,
            }
            for path, file, schema, in_bundle in sorted(inside + outside)
        ],
    }


def checksums(folder: Path) -> str:
    """The files of a folder as `sha256sum -c` reads them, run inside it."""
    return "".join(f"{records.sha256(path)}  {path.name}\n" for path in sorted(folder.iterdir()))
