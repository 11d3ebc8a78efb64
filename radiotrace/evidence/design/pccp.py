"""Planned modifications: whether what changed since a release is one of those that design/pccp.yaml
allows, condition by condition."""

from collections import Counter
from collections.abc import Collection
from fnmatch import fnmatchcase

from radiotrace import records

KINDS = ("data management", "re-training", "performance evaluation", "update procedure")
CRITERION = ("metric", "part", "bound", "op", "threshold", "min_subjects")


def faults(plan: dict, requirement_ids: set[str], hazard_ids: set[str], control_ids: set[str]) -> list[str]:
    """Cross-references of design/pccp.yaml that lead nowhere, and modifications that lack a kind of
    activity; [] when all hold."""
    kind_of = {activity["id"]: activity["kind"] for activity in plan["protocol"]}
    times = Counter(entry["id"] for entry in (*plan["protocol"], *plan["modifications"]))
    broken = [f"{item} stands twice" for item in times if times[item] > 1]
    for modification in plan["modifications"]:
        name, impact, limits = modification["id"], modification["impact"], modification["acceptance"]
        hazards = [hazard for row in impact["risks"] for hazard in row["hazards"]]
        controls = [control for row in impact["mitigations"] for control in row["controls"]]
        broken += _unknown(name, "activity", modification["activities"], kind_of.keys())
        broken += _unknown(
            name, "requirement", [*limits["requirements"], *limits["margins"]], requirement_ids
        )
        broken += _unknown(name, "hazard", hazards, hazard_ids)
        broken += _unknown(name, "control", controls, control_ids)
        kinds = {kind_of.get(activity) for activity in modification["activities"]}
        broken += [f"{name} has no activity of the kind {kind}" for kind in KINDS if kind not in kinds]
        broken += [
            f"{name} must change {key} but may not"
            for key in modification["must_change"]
            if not modification["may_change"][key]
        ]
    return broken


def _unknown(modification: str, kind: str, named: list[str], known: Collection[str]) -> list[str]:
    return [f"{modification} names {name}, which is no {kind}" for name in sorted(set(named) - set(known))]


def baseline(run: dict, dataset: dict, split: dict, model: dict, acceptance: dict) -> dict:
    """The record 'pccp_baseline': what of a run a later one is compared with.

    That of a release is committed beside the plan.

    Args:
        run, dataset, split, model, acceptance: records of one run.

    Returns:
        Parameters by their dotted names, such as "train.augmentation.intensity". Sites are those that
        cases.csv names; null where a case has none.
    """
    sites = [case["attributes"].get("site") for case in dataset["cases"]]
    params, criteria = {}, {}
    for row in run["stages"]:
        params |= _leaves(row["params"], row["stage"])
    for row in acceptance["results"]:
        criteria[row["requirement"]] = {key: row[key] for key in (*CRITERION, "observed", "verdict")}
    return {
        "run_id": run["run_id"],
        "dataset_root_sha256": run["dataset_root_sha256"],
        "weights_sha256": model["weights_sha256"],
        "kind": {
            "labels": model["labels"],
            "modality": model["modality"],
            "sites": None if None in sites else sorted(set(sites)),
        },
        "test_cases": sorted(case_id for case_id, row in split["cases"].items() if row["part"] == "test"),
        "params": params,
        "code_sha256": {row["stage"]: records.digest(row["code"]) for row in run["stages"]},
        "pins_sha256": {row["stage"]: records.digest(row["requirements_sha256"]) for row in run["stages"]},
        "acceptance": criteria,
    }


def _leaves(value, name: str) -> dict:
    """Dotted name -> value, of all that lies in a value."""
    if not isinstance(value, dict):
        return {name: value}
    leaves = {}
    for key, inner in value.items():
        leaves |= _leaves(inner, f"{name}.{key}")
    return leaves


def changes(released: dict, now: dict) -> dict:
    """What differs between two baselines. A test part has grown when it holds all earlier cases and more."""
    before, after = set(released["test_cases"]), set(now["test_cases"])
    test_part = "same" if before == after else "grown" if before < after else "other"
    old_kind, kind = released["kind"], now["kind"]
    return {
        "data": released["dataset_root_sha256"] != now["dataset_root_sha256"],
        "pins": bool(_differing(released["pins_sha256"], now["pins_sha256"])),
        "weights": released["weights_sha256"] != now["weights_sha256"],
        "params": _differing(released["params"], now["params"]),
        "code": _differing(released["code_sha256"], now["code_sha256"]),
        "criteria": _differing(_by_requirement(released, CRITERION), _by_requirement(now, CRITERION)),
        "results": bool(
            _differing(_by_requirement(released, ("observed",)), _by_requirement(now, ("observed",)))
        ),
        "test_part": test_part,
        "sites": _sites(old_kind["sites"], kind["sites"]),
        "labels_or_modality": any(old_kind[key] != kind[key] for key in ("labels", "modality")),
    }


def _differing(old: dict, new: dict) -> list[str]:
    """Names that only one of two has, or whose values differ; sorted."""
    return sorted(
        name
        for name in old.keys() | new.keys()
        if name not in old or name not in new or old[name] != new[name]
    )


def _by_requirement(baseline: dict, keys: tuple[str, ...]) -> dict[str, list]:
    """Requirement -> these values of its criterion or result."""
    values = {}
    for name, row in baseline["acceptance"].items():
        values[name] = [row[key] for key in keys]
    return values


def _sites(old: list[str] | None, new: list[str] | None) -> str:
    if old is None or new is None:
        return "unknown"
    if set(old) == set(new):
        return "same"
    return "more" if set(old) < set(new) else "fewer or other"


def within_plan(plan: dict, released: dict | None, now: dict, requirement_status: dict[str, dict]) -> dict:
    """The record 'pccp_report': which planned modification the step from the released run to this one is.

    Args:
        plan: design/pccp.yaml, without `faults`.
        released: the record 'pccp_baseline' of the release; None where nothing was released.
        now: the record 'pccp_baseline' of this run.
        requirement_status: id -> {"status": "verified" or "not verified", "reasons"}. One that is not there
            was not verified.

    Returns:
        within_plan: true when one modification allows all that changed; null when there is nothing to
            compare, nothing changed, or a condition is left that only a person can judge; else false. Two
            modifications at once are none.
    """
    changed = changes(released, now) if released else None
    record = {
        "run_id": now["run_id"],
        "released_run_id": released and released["run_id"],
        "plan_sha256": records.digest(plan),
        "plan": plan,
        "changes": changed,
        "modifications": {},
        "within_plan": None,
    }
    if released is None or changed is None:
        return record | {"reason": "nothing was released yet to which this run could be compared"}
    if not _is_change(changed):
        return record | {"reason": "nothing changed since the release: not a modification"}
    rows = {}
    for modification in plan["modifications"]:
        conditions = [
            *_limits(modification, changed),
            *_acceptance(modification["acceptance"], released, now, requirement_status),
        ]
        rows[modification["id"]] = {
            "title": modification["title"],
            "falls_under": _all(row["met"] for row in conditions),
            "conditions": conditions,
        }
    allowed = [name for name, row in rows.items() if row["falls_under"]]
    undecided = [name for name, row in rows.items() if row["falls_under"] is None]
    if allowed:
        verdict, reason = True, f"falls under {', '.join(allowed)}"
    elif undecided:
        verdict, reason = None, f"a person must judge what is left open of {', '.join(undecided)}"
    else:
        verdict, reason = False, "no planned modification allows what changed; see its conditions"
    return record | {"modifications": rows, "within_plan": verdict, "reason": reason}


def _is_change(changed: dict) -> bool:
    return any(bool(value) and value not in ("same", "unknown") for value in changed.values())


def _all(verdicts) -> bool | None:
    """False where a verdict is false, else None where one is unknown, else True."""
    distinct = set(verdicts)
    if False in distinct:
        return False
    return None if None in distinct else True


def _row(condition: str, met: bool | None, reason: str) -> dict:
    return {"condition": condition, "met": met, "reason": reason}


def _limits(modification: dict, changed: dict) -> list[dict]:
    """Conditions on what changed."""
    may, rows = modification["may_change"], []
    for key in modification["must_change"]:
        rows.append(_row(f"{key} changed", bool(changed[key]), "it did" if changed[key] else "it did not"))
    for key in ("data", "pins", "weights", "results"):
        reason = f"changed: {_yes(changed[key])}; may change: {_yes(may[key])}"
        rows.append(_row(f"{key} unchanged or free to change", may[key] or not changed[key], reason))
    for key in ("params", "code"):
        beyond = [name for name in changed[key] if not _matches(name, may[key])]
        reason = f"changed beyond the limits: {', '.join(beyond) or 'none'}"
        rows.append(_row(f"{key} within limits", not beyond, reason))
    allowed = {"no": ("same",), "may grow": ("same", "grown")}[may["test_part"]]
    condition = "every test case of the release is still one"
    rows.append(_row(condition, changed["test_part"] in allowed, f"test part: {changed['test_part']}"))
    reason = f"changed: {_yes(changed['labels_or_modality'])}"
    rows.append(_row("labels and modality unchanged", not changed["labels_or_modality"], reason))
    reason = f"changed: {', '.join(changed['criteria']) or 'none'}"
    rows.append(_row("criteria unchanged", not changed["criteria"], reason))
    if wanted := may.get("sites"):
        met = None
        if changed["sites"] != "unknown":
            met = changed["sites"] == {"same known sites": "same", "more known sites": "more"}[wanted]
        rows.append(_row(wanted, met, f"sites: {changed['sites']}"))
    return rows


def _matches(name: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _acceptance(limits: dict, released: dict, now: dict, status: dict[str, dict]) -> list[dict]:
    """Conditions on what the requirements say: verified, and a bound no worse than the release's by more
    than its margin."""
    missing, rows = {"status": "not verified", "reasons": ["no status of this requirement"]}, []
    for name in limits["requirements"]:
        verification = status.get(name, missing)
        reason = "; ".join([verification["status"], *verification["reasons"]])
        rows.append(_row(f"{name} verified", verification["status"] == "verified", reason))
    unknown = {"op": None, "observed": None}
    for name, margin in sorted(limits["margins"].items()):
        before, after = released["acceptance"].get(name, unknown), now["acceptance"].get(name, unknown)
        reason = (
            f"released {_number(before['observed'])}, now {_number(after['observed'])}, margin {margin:g}"
        )
        met = _within_margin(before, after, margin)
        rows.append(_row(f"{name} not worse by more than the margin", met, reason))
    return rows


def _within_margin(before: dict, after: dict, margin: float) -> bool:
    if before["op"] != after["op"] or None in (before["observed"], after["observed"]):
        return False
    worse = before["observed"] - after["observed"]
    if after["op"] != ">=":
        worse = after["observed"] - before["observed"]
    # records keep nine digits; a difference of exactly the margin is within it
    return worse <= margin + 1e-12


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4g}"
