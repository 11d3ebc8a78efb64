"""Requirements: requirements.yaml, and the verdict on each performance requirement from the metrics
of a run."""

import operator
import re
from collections import Counter

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.evidence.design import criteria, reviews
from radiotrace.pipeline import params

OPERATORS = {">=": operator.ge, "<=": operator.le}
BOUNDS = {"lower": "ci95_low", "upper": "ci95_high"}
# What leaves open what is required: no test can fail it. Rules R7 to R9 of the INCOSE Guide to Writing
# Requirements (2023).
VAGUE = re.compile(
    r"shall (?:not )?(?:aim|attempt|be able|be designed|consider|endeavou?r|generally|look "
    r"at|normally|seek|strive|support|try|usually)\b"
    r"|\b(?:should|might|could|may|if possible|if practicable|where practicable|as "
    r"appropriate|appropriate|appropriately|adequate|adequately|"
    r"as far as "
    r"possible"
    r"|sufficient|sufficiently|reasonable|reasonably|and/or|etc|user-friendly|easy|easily)\b",
    re.IGNORECASE,
)
LATE = "a criterion that was set after the test part was opened"


def load(path) -> dict:
    """The requirements that people wrote.

    Raises:
        StageError: the file breaks its schema, or an id stands twice; names every fault.
    """
    record = params.load_yaml(path)
    if broken := records.faults(record, "requirements") or _contradictions(record):
        raise StageError(f"{path} breaks schemas/requirements.schema.json", broken, f"Correct {path}.")
    return record


def _contradictions(record: dict) -> list[str]:
    """What the schema cannot see: ids that stand twice, statements that leave open what is required, and
    requirements that are retired as well."""
    times = Counter(entry["id"] for entry in (*record["user_needs"], *record["requirements"]))
    broken = [f"{item} stands twice" for item in sorted(times) if times[item] > 1]
    for requirement in record["requirements"]:
        broken += [f"{requirement['id']}: {fault}" for fault in language(requirement["statement"])]
    retired = [row["id"] for row in record.get("retired", ())]
    return broken + [f"{name} is required and retired" for name in retired if name in times]


def language(statement: str) -> list[str]:
    """What of a statement leaves open what is required; [] where it says it.

    Args:
        statement: which the schema has found to say 'shall'.
    """
    return [
        f"'{words.group()}' leaves open what is required: say what shall be, so that a test can fail"
        for words in VAGUE.finditer(statement)
    ]


def judge(requirement: dict, metrics: dict, prespecified: bool, late: str = LATE) -> dict:
    """The verdict on one performance requirement.

    Args:
        requirement: an entry of the record 'requirements' that has a criterion.
        metrics: the record 'metrics'.
        prespecified: whether the criterion, and the cases, stood before the test part was opened.
        late: what came afterwards.

    Returns:
        An entry of the record 'acceptance'. The verdict is 'cannot say', never 'met', where the metric is of
        another part, missing or undefined, or stands on too few subjects, and where it has no interval; it is
        'post-hoc' where the criterion is met but it, or the choice of cases, came after the test part was
        opened.
    """
    criterion = requirement["acceptance"]
    summary = criteria.find(metrics, criterion["metric"]) or {}
    observed, subjects = summary.get(BOUNDS[criterion["bound"]]), summary.get("n_subjects", 0)
    if metrics["part"] != criterion["part"]:
        verdict, reason = "cannot say", f"metrics are of the {metrics['part']} part"
    elif BOUNDS[criterion["bound"]] not in summary:
        verdict, reason = "cannot say", criteria.no_such(criterion["metric"], criteria.available(metrics))
    elif observed is None:
        why = f": {summary['no_interval']}" if summary.get("no_interval") else ""
        verdict, reason = "cannot say", f"{criterion['metric']} has no {criterion['bound']} bound{why}"
    elif summary["n_undefined"]:
        verdict, reason = "cannot say", f"undefined in {summary['n_undefined']} cases"
    elif subjects < criterion["min_subjects"]:
        verdict, reason = "cannot say", f"{subjects} subjects, {criterion['min_subjects']} needed"
    else:
        verdict = "met" if OPERATORS[criterion["op"]](observed, criterion["threshold"]) else "not met"
        against = " " if verdict == "met" else ", needed "
        needed = f"{criterion['op']} {criterion['threshold']:g}"
        reason = f"{criterion['bound']} 95 % bound {observed:.4g}{against}{needed}"
        if verdict == "met" and not prespecified:
            verdict, reason = "post-hoc", f"{reason}, {late}"
    return {
        "requirement": requirement["id"],
        "title": requirement["title"],
        "mean": summary.get("mean", summary.get("value")),
        "observed": observed,
        "n_subjects": subjects,
        "n_undefined": summary.get("n_undefined", 0),
        "verdict": verdict,
        "reason": reason,
        "prespecified": prespecified,
        **{
            key: criterion[key]
            for key in ("metric", "part", "bound", "op", "threshold", "min_subjects", "ci", "multiplicity")
        },
    }


def acceptance(
    requirements: dict, metrics: dict, reviewed: list[dict], opened: list[dict], cases_sha256: str
) -> dict:
    """The record 'acceptance': the verdict on each performance requirement.

    Args:
        requirements: the study's: the software has no criterion.
        reviewed, opened: lines of the ledgers of reviews and of the test part.
        cases_sha256: of the test part, as an opening names it.
    """
    left_out = reviews.left_out(opened, cases_sha256, metrics["excluded"])
    results = [
        judge(
            requirement,
            metrics,
            not left_out and reviews.prespecified(requirement, reviewed),
            left_out or LATE,
        )
        for requirement in requirements["requirements"]
        if "acceptance" in requirement
    ]
    return {
        "run_id": metrics["run_id"],
        "requirements_sha256": records.digest(requirements),
        "results": results,
        "excluded": metrics["excluded"],
        "all_met": all(result["verdict"] == "met" for result in results),
    }


def gates(acceptance: dict, traceability: dict) -> dict:
    """The record 'gates': what `dvc metrics diff` shows of the requirements, such as a verdict that goes
    from met to not met."""
    statuses = [row["status"] for row in traceability["requirements"].values()]
    results = {}
    for result in acceptance["results"]:
        results[result["requirement"]] = {key: result[key] for key in ("verdict", "observed", "threshold")}
    return {
        "run_id": acceptance["run_id"],
        "release_blocked": traceability["release_blocked"],
        "n_requirements": len(statuses),
        "n_verified": statuses.count("verified"),
        "requirements": results,
    }
