"""Requirements: design/requirements.yaml, and the verdict on each from the metrics of a run."""
import operator

from radiotrace import params, records
from radiotrace.stage import StageError

OPERATORS = {">=": operator.ge, "<=": operator.le}
BOUNDS = {"lower": "ci95_low", "upper": "ci95_high"}


def load(path) -> dict:
    """The requirements that people wrote.

    Raises:
        StageError: the file breaks its schema, or an id stands twice; names every fault.
    """
    found = params.load_yaml(path)
    broken = records.faults(found, "requirements")
    if not broken:
        ids = [requirement["id"] for requirement in found["requirements"]]
        broken = [f"{one} stands twice" for one in sorted({one for one in ids if ids.count(one) > 1})]
    if broken:
        raise StageError(f"{path} breaks schemas/requirements.schema.json", broken, f"Correct {path}.")
    return found


def judge(requirement: dict, metrics: dict) -> dict:
    """The verdict on one requirement.

    Args:
        requirement: an entry of the record 'requirements'.
        metrics: the record 'metrics'.

    Returns:
        An entry of the record 'acceptance'. The verdict is 'cannot say', never 'met', where the metric is of another
        part, missing or undefined, or stands on too few subjects.
    """
    criterion = requirement["acceptance"]
    summary = metrics
    for key in criterion["metric"].split("."):
        summary = summary.get(key, {}) if isinstance(summary, dict) else {}
    if not isinstance(summary, dict):  # the metric names a number, not a summary
        summary = {}
    observed, subjects = summary.get(BOUNDS[criterion["bound"]]), summary.get("n_subjects", 0)
    if metrics["part"] != criterion["part"]:
        verdict, reason = "cannot say", f"metrics are of the {metrics['part']} part"
    elif observed is None:
        verdict, reason = "cannot say", f"{criterion['metric']} has no {criterion['bound']} bound"
    elif summary["n_undefined"]:
        verdict, reason = "cannot say", f"undefined in {summary['n_undefined']} cases"
    elif subjects < criterion["min_subjects"]:
        verdict, reason = "cannot say", f"{subjects} subjects, {criterion['min_subjects']} needed"
    else:
        verdict = "met" if OPERATORS[criterion["op"]](observed, criterion["threshold"]) else "not met"
        reason = f"{criterion['bound']} 95 % bound {observed:.4g} {criterion['op']} {criterion['threshold']:g}"
    return {"requirement": requirement["id"], "title": requirement["title"], "mean": summary.get("mean", summary.get("value")), "observed": observed,
            "n_subjects": subjects, "verdict": verdict, "reason": reason,
            **{key: criterion[key] for key in ("metric", "part", "bound", "op", "threshold", "min_subjects")}}


def acceptance(requirements: dict, metrics: dict) -> dict:
    """The record 'acceptance': a release is blocked unless every requirement is met."""
    results = [judge(requirement, metrics) for requirement in requirements["requirements"]]
    return {"run_id": metrics["run_id"], "requirements_sha256": records.digest(requirements), "results": results, "excluded": metrics["excluded"],
            "release_blocked": any(result["verdict"] != "met" for result in results)}


def gates(acceptance: dict) -> dict:
    """The record 'gates': what `dvc metrics diff` shows of the requirements, such as a verdict that goes from met to not met."""
    return {"run_id": acceptance["run_id"], "release_blocked": acceptance["release_blocked"],
            "requirements": {result["requirement"]: {key: result[key] for key in ("verdict", "observed", "threshold")}
                             for result in acceptance["results"]}}
