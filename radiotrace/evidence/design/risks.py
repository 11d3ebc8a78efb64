"""Risks: which controls are effective, and the risk that is left of each hazard, computed from the
requirements of this run."""

from collections import Counter

from radiotrace import records


def faults(risks: dict, requirement_ids_with_controls: dict[str, list[str]]) -> list[str]:
    """Cross-references of risks that lead nowhere or cannot be meant; [] when all hold.

    What is only missing, such as a hazard without a control, is no fault here but a gap of `report`.

    Args:
        risks: risks.yaml of a study with the controls of the software; each holds its schema.
        requirement_ids_with_controls: id of a requirement -> the controls that it names.
    """
    controls = [control["id"] for control in risks["controls"]]
    hazards = [hazard["id"] for hazard in risks["hazards"]]
    broken = [f"{item} stands twice" for item, times in Counter(controls + hazards).items() if times > 1]
    for hazard in risks["hazards"]:
        broken += _faults_of_hazard(hazard, set(controls), set(hazards))
    for requirement, named in sorted(requirement_ids_with_controls.items()):
        unknown = sorted(set(named) - set(controls))
        broken += [f"{requirement} names {control}, which is no control" for control in unknown]
    return broken


def _faults_of_hazard(hazard: dict, controls: set[str], hazards: set[str]) -> list[str]:
    name, times = hazard["id"], Counter(hazard["controls"])
    broken = [f"{name} names {control} twice" for control in times if times[control] > 1]
    broken += [f"{name} names {control}, which is no control" for control in sorted(times.keys() - controls)]
    for new in hazard["new_risks"]:
        if new["control"] not in times:
            broken.append(f"{name}: new risk by {new['control']}, which is none of its controls")
        if new["hazard"] not in hazards - {name}:
            broken.append(f"{name}: new risk {new['hazard']}, which is no other hazard")
    for scale in ("severity", "probability"):  # S1 to S5, P1 to P5
        before, after = hazard["before"][scale], hazard["after"][scale]
        if after > before and not hazard.get("residual_reason"):
            broken.append(
                f"{name}: {scale} {after} after its controls, {before} before them, and no residual_reason"
            )
    if not hazard["controls"] and hazard["after"] != hazard["before"]:
        broken.append(f"{name}: its risk changes without a control")
    return broken


def unknown(entries: list[dict], known: dict[str, set[str]]) -> list[str]:
    """Ids that stand twice, or name what is not there, in a list of anomalies or of the like.

    Args:
        entries: each with id and, under the keys of `known`, lists of ids.
        known: key -> the ids that there are.
    """
    times = Counter(entry["id"] for entry in entries)
    broken = [f"{item} stands twice" for item in times if times[item] > 1]
    for entry in entries:
        for key, ids in known.items():
            strangers = [name for name in entry[key] if name not in ids]
            broken += [f"{entry['id']}.{key} names {name}, which is not there" for name in strangers]
    return broken


def unlinked(risks: dict, requirements: dict) -> list[dict]:
    """Hazards without a control, and controls that neither a requirement nor information for users puts
    into effect."""
    named = {
        control for requirement in requirements["requirements"] for control in requirement["risk_controls"]
    }
    rows = [(hazard["id"], "no control") for hazard in risks["hazards"] if not hazard["controls"]]
    rows += [
        (control["id"], "no requirement and no information stands behind this control")
        for control in risks["controls"]
        if control["id"] not in named and not control["informed_by"]
    ]
    return [{"item": item, "gap": gap} for item, gap in rows]


def level(risks: dict, estimate: dict) -> str:
    """What the matrix says of a severity and a probability: "low", "medium" or "high"."""
    return risks["acceptability"][estimate["probability"]][estimate["severity"]]


def information_files(risks: dict) -> list[str]:
    """The files in which information for safety is said to stand; sorted."""
    return sorted({place["file"] for control in risks["controls"] for place in control["informed_by"]})


def report(
    risks: dict,
    requirements: dict,
    requirement_status: dict[str, dict],
    *,
    run_id: str,
    texts: dict[str, str],
) -> dict:
    """The record 'risk_report': the risk file of a run, in which a risk counts as reduced only while its
    controls are effective.

    Args:
        risks: as `faults` takes it, and without those.
        requirements: of the software and of the study; a requirement without the key risk_controls has none.
        requirement_status: id -> {"status": "verified" or "not verified", "reasons"}. One that is not there
            was not verified.
        texts: content of each of `information_files`; a file that is not there holds no information.
    """
    controls = {}
    for control in risks["controls"]:
        name = control["id"]
        behind = [row for row in requirements["requirements"] if name in row.get("risk_controls", [])]
        controls[name] = _control(control, behind, requirement_status, texts, risks["hazards"])
    hazards = {hazard["id"]: _hazard(risks, hazard, controls) for hazard in risks["hazards"]}
    return {
        "run_id": run_id,
        "risks_sha256": records.digest(risks),
        "scales": risks["scales"],
        "acceptability": risks["acceptability"],
        "levels": risks["levels"],
        "controls": controls,
        "hazards": hazards,
        "gaps": _gaps(controls, hazards),
        "completeness": _completeness(controls, hazards),
        "overall_residual_risk": {"status": "manual", **risks["overall_residual_risk"]},
    }


def _control(
    control: dict,
    requirements: list[dict],
    status: dict[str, dict],
    texts: dict[str, str],
    hazards: list[dict],
) -> dict:
    """Effective: something shows it, all of its requirements are verified, and all of its information stands
    where it should.

    A control that works only as well as the model does (needs_criterion) is shown by a criterion on its
    performance; that a number was measured and reported shows nothing.
    """
    missing, reasons = {"status": "not verified", "reasons": ["no status of this requirement"]}, []
    names = [requirement["id"] for requirement in requirements]
    for name in names:
        verification = status.get(name, missing)
        if verification["status"] != "verified":
            why = "; ".join(verification["reasons"]) or "no reason given"
            reasons.append(f"{name} is not verified: {why}")
    information = [
        {**place, "found": _words(place["phrase"]) in _words(texts.get(place["file"], ""))}
        for place in control["informed_by"]
    ]
    reasons += [
        f"{place['file']} does not say: {place['phrase']}" for place in information if not place["found"]
    ]
    has_criterion = any("acceptance" in requirement for requirement in requirements)
    if not names and not information:
        reasons = ["no requirement and no information stands behind it"]
    elif control.get("needs_criterion", False) and not has_criterion:
        reasons.append("no criterion on its performance stands behind it")
    return {
        "title": control["title"],
        "type": control["type"],
        "requirements": names,
        "informed_by": information,
        "hazards": [hazard["id"] for hazard in hazards if control["id"] in hazard["controls"]],
        "effective": not reasons,
        "reasons": reasons,
    }


def _words(text: str) -> str:
    """Line breaks and their comment or list marks do not matter to a reader."""
    return " ".join(text.split())


def _hazard(risks: dict, hazard: dict, controls: dict[str, dict]) -> dict:
    """The residual risk is the one after the controls while all of them are effective, else that before."""
    idle = [name for name in hazard["controls"] if not controls[name]["effective"]]
    estimate = hazard["before"] if idle else hazard["after"]
    residual_level = level(risks, estimate)
    rule = risks["levels"][residual_level]["acceptable"]
    # The reason for a medium risk is about the risk after the controls; it says nothing of the one before.
    acceptable = rule == "yes" or (
        rule == "with a reason" and bool(hazard.get("residual_reason")) and not idle
    )
    return {
        **{key: hazard[key] for key in ("title", "situation", "harm", "basis", "controls", "new_risks")},
        "residual_reason": hazard.get("residual_reason"),
        "before": {**hazard["before"], "level": level(risks, hazard["before"])},
        "after_if_effective": {**hazard["after"], "level": level(risks, hazard["after"])},
        "controls_effective": not idle,
        "residual": {**estimate, "level": residual_level},
        "acceptable": acceptable,
        "reasons": [f"{name} is not shown effective, so that the risk before it counts" for name in idle],
    }


def _gaps(controls: dict[str, dict], hazards: dict[str, dict]) -> list[dict]:
    rows = [(name, "no control") for name, hazard in hazards.items() if not hazard["controls"]]
    for name, control in controls.items():
        if not control["requirements"] and control["type"] != "information for safety":
            rows.append((name, "no requirement"))
        if not control["hazards"]:
            rows.append((name, "no hazard names it"))
        if not control["effective"]:
            rows.append((name, "not shown effective"))
    gaps = [{"item": item, "gap": gap} for item, gap in rows] + unacceptable({"hazards": hazards})
    return sorted(gaps, key=lambda row: (row["item"], row["gap"]))


def unacceptable(report: dict) -> list[dict]:
    """Hazards of the record 'risk_report' whose residual risk is not acceptable as things are; each is a
    gap that blocks a release."""
    return [
        {"item": name, "gap": f"residual risk is not acceptable: {hazard['residual']['level']}"}
        for name, hazard in report["hazards"].items()
        if not hazard["acceptable"]
    ]


def _completeness(controls: dict[str, dict], hazards: dict[str, dict]) -> dict:
    """Counts after which a person can ask whether every hazardous situation was dealt with
    (iso14971@2019:7.6)."""
    controlled = [hazard for hazard in hazards.values() if hazard["controls"]]
    return {
        "n_hazards": len(hazards),
        "n_hazards_with_controls": len(controlled),
        "n_hazards_controls_effective": sum(hazard["controls_effective"] for hazard in controlled),
        "n_hazards_acceptable": sum(hazard["acceptable"] for hazard in hazards.values()),
        "n_controls": len(controls),
        "n_controls_effective": sum(control["effective"] for control in controls.values()),
        "n_new_risks": sum(len(hazard["new_risks"]) for hazard in hazards.values()),
    }
