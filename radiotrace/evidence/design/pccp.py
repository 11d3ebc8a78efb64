"""Planned modifications: whether what changed since a release is one of those that design/pccp.yaml
allows, condition by condition."""

from collections import Counter
from fnmatch import fnmatchcase

from radiotrace import records

KINDS = ("data management", "re-training", "performance evaluation", "update procedure")
CRITERION = ("metric", "part", "bound", "op", "threshold", "min_subjects")


def faults(plan: dict, requirement_ids: set[str], hazard_ids: set[str], control_ids: set[str]) -> list[str]:
    """Cross-references of design/pccp.yaml that lead nowhere, and modifications that lack a kind of
    activity; [] when all hold."""
    kind_of = {activity["id"]: activity["kind"] for activity in plan["protocol"]}
    times = Counter(entry["id"] for entry in (*plan["protocol"], *plan["modifications"]))
    found = [f"{one} stands twice" for one in times if times[one] > 1]
    for modification in plan["modifications"]:
        name, impact, limits = modification["id"], modification["impact"], modification["acceptance"]
        named = {
            "activity": (modification["activities"], kind_of),
            "requirement": ([*limits["requirements"], *limits["margins"]], requirement_ids),
            "hazard": ([one for row in impact["risks"] for one in row["hazards"]], hazard_ids),
            "control": ([one for row in impact["mitigations"] for one in row["controls"]], control_ids),
        }
        found += [
            f"{name} names {one}, which is no {what}"
            for what, (ids, known) in named.items()
            for one in sorted(set(ids) - set(known))
        ]
        has = {kind_of.get(one) for one in modification["activities"]}
        found += [f"{name} has no activity of the kind {kind}" for kind in KINDS if kind not in has]
        found += [
            f"{name} must change {one} but may not"
            for one in modification["must_change"]
            if not modification["may_change"][one]
        ]
    return found


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
        "params": {
            name: value for row in run["stages"] for name, value in _leaves(row["params"], row["stage"])
        },
        "code_sha256": {row["stage"]: records.digest(row["code"]) for row in run["stages"]},
        "pins_sha256": {row["stage"]: records.digest(row["requirements_sha256"]) for row in run["stages"]},
        "acceptance": {
            row["requirement"]: {key: row[key] for key in (*CRITERION, "observed", "verdict")}
            for row in acceptance["results"]
        },
    }


def _leaves(value, name: str):
    if not isinstance(value, dict):
        yield name, value
        return
    for key, inner in value.items():
        yield from _leaves(inner, f"{name}.{key}")


def changes(released: dict, now: dict) -> dict:
    """What differs between two baselines. A test part has grown when it holds all earlier cases and more."""

    def differing(old: dict, new: dict) -> list[str]:
        return sorted(
            name
            for name in old.keys() | new.keys()
            if name not in old or name not in new or old[name] != new[name]
        )

    params, code, pins = (
        differing(released[key], now[key]) for key in ("params", "code_sha256", "pins_sha256")
    )
    criteria, observed = (
        [{one: [row[key] for key in keys] for one, row in of["acceptance"].items()} for of in (released, now)]
        for keys in (CRITERION, ("observed",))
    )
    before, after = set(released["test_cases"]), set(now["test_cases"])
    old, new = (kind["sites"] for kind in (released["kind"], now["kind"]))
    sites = (
        "unknown"
        if None in (old, new)
        else "same"
        if set(old) == set(new)
        else "more"
        if set(old) < set(new)
        else "fewer or other"
    )
    return {
        "data": released["dataset_root_sha256"] != now["dataset_root_sha256"],
        "pins": bool(pins),
        "weights": released["weights_sha256"] != now["weights_sha256"],
        "params": params,
        "code": code,
        "criteria": differing(*criteria),
        "results": bool(differing(*observed)),
        "test_part": "same" if before == after else "grown" if before < after else "other",
        "sites": sites,
        "labels_or_modality": any(
            released["kind"][key] != now["kind"][key] for key in ("labels", "modality")
        ),
    }


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
    found = changes(released, now) if released else None
    record = {
        "run_id": now["run_id"],
        "released_run_id": released and released["run_id"],
        "plan_sha256": records.digest(plan),
        "plan": plan,
        "changes": found,
        "modifications": {},
        "within_plan": None,
    }
    if released is None or found is None:
        return record | {"reason": "nothing was released yet to which this run could be compared"}
    if not _changed(found):
        return record | {"reason": "nothing changed since the release: not a modification"}
    rows = {}
    for modification in plan["modifications"]:
        conditions = [
            *_limits(modification, found),
            *_acceptance(modification["acceptance"], released, now, requirement_status),
        ]
        rows[modification["id"]] = {
            "title": modification["title"],
            "falls_under": _all(row["met"] for row in conditions),
            "conditions": conditions,
        }
    allowed = [name for name, row in rows.items() if row["falls_under"]]
    open_ones = [name for name, row in rows.items() if row["falls_under"] is None]
    verdict = True if allowed else None if open_ones else False
    reason = {
        True: f"falls under {', '.join(allowed)}",
        False: "no planned modification allows what changed; see its conditions",
        None: f"a person must judge what is left open of {', '.join(open_ones)}",
    }[verdict]
    return record | {"modifications": rows, "within_plan": verdict, "reason": reason}


def _changed(found: dict) -> bool:
    return any(bool(value) and value not in ("same", "unknown") for value in found.values())


def _all(verdicts) -> bool | None:
    """False where one is, else None where one is unknown, else True."""
    seen = set(verdicts)
    return False if False in seen else None if None in seen else True


def _row(condition: str, met: bool | None, reason: str) -> dict:
    return {"condition": condition, "met": met, "reason": reason}


def _limits(modification: dict, found: dict) -> list[dict]:
    """Conditions on what changed."""
    may, rows = modification["may_change"], []
    for key in modification["must_change"]:
        rows.append(_row(f"{key} changed", bool(found[key]), "it did" if found[key] else "it did not"))
    for key in ("data", "pins", "weights", "results"):
        said = f"changed: {_yes(found[key])}; may change: {_yes(may[key])}"
        rows.append(_row(f"{key} unchanged or free to change", may[key] or not found[key], said))
    for key, allowed in (("params", may["params"]), ("code", may["code"])):
        over = [name for name in found[key] if not any(fnmatchcase(name, pattern) for pattern in allowed)]
        rows.append(
            _row(f"{key} within limits", not over, f"changed beyond the limits: {', '.join(over) or 'none'}")
        )
    grown = {"no": ("same",), "may grow": ("same", "grown")}[may["test_part"]]
    rows.append(
        _row(
            "every test case of the release is still one",
            found["test_part"] in grown,
            f"test part: {found['test_part']}",
        )
    )
    rows.append(
        _row(
            "labels and modality unchanged",
            not found["labels_or_modality"],
            f"changed: {_yes(found['labels_or_modality'])}",
        )
    )
    rows.append(
        _row(
            "criteria unchanged", not found["criteria"], f"changed: {', '.join(found['criteria']) or 'none'}"
        )
    )
    if wanted := may.get("sites"):
        met = (
            None
            if found["sites"] == "unknown"
            else found["sites"] == {"same known sites": "same", "more known sites": "more"}[wanted]
        )
        rows.append(_row(wanted, met, f"sites: {found['sites']}"))
    return rows


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _acceptance(limits: dict, released: dict, now: dict, status: dict[str, dict]) -> list[dict]:
    """Conditions on what the requirements say: verified, and a bound no worse than the release's by more
    than its margin."""
    missing = {"status": "not verified", "reasons": ["no status of this requirement"]}
    rows = [
        _row(
            f"{one} verified", found["status"] == "verified", "; ".join([found["status"], *found["reasons"]])
        )
        for one in limits["requirements"]
        for found in (status.get(one, missing),)
    ]
    for one, margin in sorted(limits["margins"].items()):
        before, after = (of["acceptance"].get(one, {"op": None, "observed": None}) for of in (released, now))
        said = f"released {_number(before['observed'])}, now {_number(after['observed'])}, margin {margin:g}"
        if before["op"] != after["op"] or None in (before["observed"], after["observed"]):
            met = False
        else:
            worse = (
                before["observed"] - after["observed"]
                if after["op"] == ">="
                else after["observed"] - before["observed"]
            )
            # records keep nine digits; a difference of exactly the margin is within it
            met = worse <= margin + 1e-12
        rows.append(_row(f"{one} not worse by more than the margin", met, said))
    return rows


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4g}"
