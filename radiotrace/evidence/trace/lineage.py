"""Lineage of files, cases and subjects: which stages read them, which models saw them, and what would be
stale without them.

Like radiotrace/evidence/trace/links.py, an answer is a list of tables. From the records, and from dvc.yaml,
which says what stands on what.
"""

from pathlib import PurePosixPath

from radiotrace.evidence.design.compliance import FOLDER
from radiotrace.evidence.formats import provenance
from radiotrace.evidence.trace import links
from radiotrace.records import ledgers, measure_table, raw_files

DATA = "data"


def known_files(bundle: dict) -> dict[str, dict[str, str]]:
    """Path of each known file -> record that names it -> SHA-256. Raw data are below data/."""
    digests_by_path: dict[str, dict[str, str]] = {}

    def add(path, record, sha256):
        digests_by_path.setdefault(path, {})[record] = sha256

    for path, sha256 in raw_files.hashes(bundle["dataset.json"]["cases"]).items():
        add(f"{DATA}/{path}", "dataset.json", sha256)
    for stage in bundle["run.json"]["stages"]:
        for path, digest in (*stage["code"].items(), *stage["inputs"].items()):
            add(path, f"run.json, {stage['stage']}", digest)
    for path, digest in bundle["code.json"]["files"].items():
        add(path, "code.json", digest)
    for entry in bundle["manifest.json"]["files"]:
        add(entry["path"], "manifest.json", entry["sha256"])
    return digests_by_path


def covers(listed: str, path: str) -> bool:
    """Whether a dep or an out of dvc.yaml is a file or holds it."""
    return path == listed or path.startswith(f"{listed}/")


def readers(workflow: dict, paths: list[str]) -> list[str]:
    """The stages that read one of these paths, or something in it, in the order of dvc.yaml."""
    return [name for name, stage in workflow["stages"].items() if _reads(stage.get("deps", []), paths)]


def _reads(deps: list[str], paths: list[str]) -> bool:
    return any(covers(dep, path) or covers(path, dep) for dep in deps for path in paths)


def downstream(workflow: dict, first: list[str]) -> list[str]:
    """These stages and all that stand on what they make, in the order of dvc.yaml."""
    outputs, reached = provenance.outputs(workflow), list(first)
    for name in reached:  # grows while it is walked
        reached += [reader for reader in readers(workflow, outputs[name]) if reader not in reached]
    return [name for name in workflow["stages"] if name in reached]


def stale(workflow: dict, first: list[str]) -> list[tuple[str, str]]:
    """What would be stale, stage by stage, if these stages had to run again."""
    made = provenance.outputs(workflow)
    return [(name, ", ".join(made[name])) for name in downstream(workflow, first)]


def of_file(bundle: dict, workflow: dict, path: str, now: str | None) -> list:
    """A file: its hashes, who reads it, what stands on it, and what verifies it.

    Args:
        path: as known_files names it.
        now: SHA-256 of the file as it is; None where there is none.
    """
    hashes = [(record, digest, _as_now(digest, now)) for record, digest in known_files(bundle)[path].items()]
    outputs = provenance.outputs(workflow)
    makers = [(name,) for name, outs in outputs.items() if _is_among(path, outs)]
    reading = readers(workflow, [path])
    as_code = {stage["stage"] for stage in bundle["run.json"]["stages"] if path in stage["code"]}
    return [
        ("file", [("path", path), ("now", now or "not here")]),
        ("SHA-256 in the evidence", hashes),
        ("made by", makers),
        ("read by", [(name, "as code" if name in as_code else "as input") for name in reading]),
        ("stale if it changed", stale(workflow, reading)),
        *_touching(bundle, path),
    ]


def _is_among(path: str, outs: list[str]) -> bool:
    return any(covers(out, path) for out in outs)


def _touching(bundle: dict, path: str) -> list:
    """Tests in the file, faults that are seeded in it, anomalies that show in it, criteria and clauses
    that stand on it."""
    rows = bundle["traceability.json"]["requirements"]
    faults, verified = [], {}
    for control, fault in links.faults(bundle).items():
        if fault.get("file") == path:
            users = [name for name, row in rows.items() if control in row["negative_controls"]]
            faults.append((control, fault["what"], ", ".join(users)))
            verified |= dict.fromkeys(users)
    # where the tests of a module stand
    named_for_it = f"tests/test_{PurePosixPath(path).stem}.py" if path.endswith(".py") else ""
    within = [
        (test, row["outcome"], ", ".join(row["verifies"]))
        for test, row in bundle["traceability.json"]["tests"].items()
        if test.split("::")[0] in (path, named_for_it)
    ]
    tests_of_requirements = dict.fromkeys(test for name in verified for test in rows[name]["tests"])
    anomalies, clauses = [], []
    for anomaly in bundle["anomalies.json"]["anomalies"]:
        if path in {place["file"] for place in anomaly["shown_by"]}:
            anomalies.append((anomaly["id"], anomaly["title"]))
    for row in links.clause_rows(bundle).values():
        if path in {reference["file"] for reference in row["evidence"]}:
            clauses.append((row["id"], row["status"]))
    criteria = []
    if path in ("metrics/metrics.json", FOLDER + "metrics.json"):
        results = bundle["acceptance.json"]["results"]
        criteria = [(result["requirement"], result["metric"], result["verdict"]) for result in results]
    return [
        ("tests in it, or in the file that is named for it", within),
        ("negative controls that are seeded in it", faults),
        ("requirements behind these", links.requirements(bundle, verified)),
        ("tests of these requirements", links.tests(bundle, tests_of_requirements)),
        ("anomalies that show in it", anomalies),
        ("criteria that are judged on it", criteria),
        ("clauses that point at it", clauses),
    ]


def cases_of(bundle: dict, name: str) -> list[dict]:
    """The entries of the data set that are a case, or all of a subject; [] for neither."""
    return [case for case in bundle["dataset.json"]["cases"] if name in (case["case_id"], case["subject_id"])]


def of_cases(bundle: dict, workflow: dict, cases: list[dict], now: dict[str, str | None]) -> list:
    """A case, or all cases of a subject: part, files, models that saw it, results, and what a withdrawal
    would take.

    Args:
        cases: of cases_of.
        now: path below data/ -> SHA-256 as it is; None where there is none.
    """
    split = bundle["split.json"]["cases"]
    rows, files = [], []
    for case in cases:
        place = split.get(case["case_id"])
        rows.append((case["case_id"], case["subject_id"], place["part"] if place else "excluded"))
        for source in raw_files.sources(case):
            state = _as_now(source["sha256"], now[source["path"]])
            files.append((f"{DATA}/{source['path']}", source["sha256"], state))
    ids, parts = [case["case_id"] for case in cases], {part for _, _, part in rows}
    return [
        ("cases", rows),
        ("files", files),
        ("models that saw them", _models(bundle, parts)),
        ("results", _results(bundle, ids)),
        ("a withdrawal would make stale", stale(workflow, ["ingest"])),
        ("how to withdraw", _withdrawal(ids, [path for path, _, _ in files], "test" in parts)),
    ]


def _results(bundle: dict, case_ids: list[str]) -> list[tuple[str, str, str]]:
    """Case, label and the measure that stands first."""
    leading, results = measure_table.leading(bundle["metrics.json"]), []
    for row in bundle["cases.json"]["cases"]:
        if row["case_id"] in case_ids:
            for label, measured in row["labels"].items():
                value = measured[leading.name]
                text = "undefined" if value is None else f"{value:.3f}"
                results.append((row["case_id"], label, f"{leading.title} {text}"))
    return results


def _as_now(stated: str, now: str | None) -> str:
    if stated == now:
        return "as now"
    return "another now" if now else "not here now"


def _models(bundle: dict, parts: set[str]) -> list[tuple[str, str]]:
    """Which models saw cases of these parts, and how."""
    run_id = bundle["run.json"]["run_id"]
    how = {
        "train": "learnt from them",
        "validation": "temperature, thresholds and the balance of volumes were set on them; no weight "
        "learnt from them",
        "test": "did not learn from them",
    }
    rows = [(run_id[:12], how[part]) for part in ("train", "validation", "test") if part in parts]
    members = bundle["metrics.json"].get("members", [])
    for member in members:
        rows.append((str(member), "member of the ensemble; its record members/*/train.json names its cases"))
    if "test" in parts:
        stages_by_model: dict[tuple, list[str]] = {}
        for line in bundle["openings.json"]["openings"]:
            stages_by_model.setdefault(ledgers.model(line), []).append(line["stage"])
        for (run, weights), stages in stages_by_model.items():
            suffix = f" (weights {weights[:12]})" if weights else ""
            rows.append((run[:12], f"was shown the test part: {', '.join(stages)}{suffix}"))
    elif not members:
        rows.append(
            (
                "others",
                "runs that are not in this bundle: unknown; each run's "
                "build/train/train.json names its cases",
            )
        )
    return rows


def _withdrawal(case_ids: list[str], paths: list[str], is_test: bool) -> list[tuple[str, str]]:
    """The commands. The hash of the data set, the split, weights, model, metrics and evidence follow."""
    entries = ", ".join(f"{{case_id: {case_id}, reason: withdrawn}}" for case_id in case_ids)
    lines = [
        ("for good", f"rm {' '.join(paths)}"),
        ("", "make manifest"),
        ("", "dvc repro"),
        ("or left out", f"params.yaml, validate: exclude: [{entries}]"),
        ("", "dvc repro: validate and what stands on it run again, ingest does not"),
        (
            "then",
            "earlier versions stay in the history of git and in datastore/: take them out there, "
            "too, if the subject asks for it",
        ),
        (
            "",
            "the weights that learnt from it, wherever they were copied to, are to be deleted with "
            "their model.onnx",
        ),
    ]
    if is_test:
        lines.append(("", "the test part becomes another one: its openings are counted anew"))
    return lines
