"""Traceability: from each need to its requirements, their tests, negative controls and criteria, and back;
what is missing is a row."""

from collections import defaultdict
from collections.abc import Iterable

from radiotrace.evidence.design import baseline, negative_controls, reviews, risks
from radiotrace.evidence.design.controls import Design, items
from radiotrace.evidence.trace import tests


def matrix(
    design: Design,
    found: dict,
    outcomes: dict,
    acceptance: dict,
    known_tests: dict[str, dict],
    stale: dict[str, list[str]],
    texts: dict[str, str],
    misfits: Iterable[dict] = (),
    before: dict | None = None,
    broken: frozenset[str] = frozenset(),
) -> dict:
    """The record 'traceability'.

    A requirement is verified when nothing speaks against it; a release is blocked while anything is missing.

    Args:
        design: of controls.load.
        found: the record 'tests'.
        outcomes: the record 'negative_control_outcomes'.
        acceptance: the record 'acceptance'.
        known_tests: of tests.declared().
        stale: of scope.stale(): file of tests -> files of its scope that are not those on which it ran.
        texts: path -> text, of the files that inform users of risks.
        misfits: of fit.misfits(): where the design controls were written for other data.
        before: the record 'requirements_baseline'; None where nobody signed for requirements yet.
        broken: negative controls under which a file cannot be read, so that they prove nothing.
    """
    results = {result["requirement"]: result for result in acceptance["results"]}
    rows = {
        one["id"]: _row(
            one,
            design,
            found,
            outcomes,
            results.get(one["id"]),
            known_tests,
            acceptance["run_id"],
            stale,
            broken,
        )
        for one in design.requirements["requirements"]
    }
    needs = {}
    for need in design.requirements["user_needs"]:
        mine = [name for name, row in rows.items() if need["id"] in row["user_needs"]]
        held = mine and all(rows[name]["status"] == "verified" for name in mine)
        needs[need["id"]] = {
            "owner": design.owner(need["id"]),
            "requirements": mine,
            "status": "verified" if held else "not verified",
        }
    states = {name: reviews.status(name, content, design.reviews) for name, content in items(design).items()}
    unreviewed = {name: state for name, state in states.items() if state != "reviewed"}
    gaps = [{"item": "tests", "gap": "they ran in part only: 'make verification'"}] * (not found["whole"])
    residual = risks.report(design.risks, design.requirements, rows, run_id=acceptance["run_id"], texts=texts)
    gaps += _gaps(design, rows, needs, known_tests) + risks.unacceptable(residual)
    gaps += [{"item": name, "gap": f"the item is {state}"} for name, state in unreviewed.items()]
    gaps += misfits
    changed = baseline.summary(before, design.requirements, known_tests)
    gaps += baseline.gaps(changed, design.requirements, design.reviews)
    not_red = sorted(
        f"{control} for {name}: {verdict}"
        for name, row in rows.items()
        for control, verdict in row["negative_controls"].items()
        if verdict != "red"
    )
    return {
        "run_id": acceptance["run_id"],
        "software_sha256": design.software_sha256,
        "stale": sorted({line for lines in stale.values() for line in lines}),
        "controls_not_red": not_red,
        "baseline": changed,
        "unreviewed": unreviewed,
        "requirements": rows,
        "user_needs": needs,
        "gaps": sorted(gaps, key=lambda gap: (gap["item"], gap["gap"])),
        "tests": {
            test: {"verifies": entry["verifies"], "outcome": tests.outcome(found["tests"].get(test))}
            for test, entry in known_tests.items()
        },
        "release_blocked": bool(stale or gaps),
    }


def _row(
    requirement: dict,
    design: Design,
    found: dict,
    outcomes: dict,
    result: dict | None,
    known_tests: dict,
    run_id: str,
    stale: dict[str, list[str]],
    broken: frozenset[str],
) -> dict:
    """One requirement with its links and its status; the reasons say everything that speaks against it."""
    name = requirement["id"]
    review = reviews.status(name, requirement, design.reviews)
    reasons = (
        []
        if requirement["status"] == "approved"
        else [f"status is {requirement['status']}, expected approved"]
    )
    if review != "reviewed":
        reasons.append(
            f"{'edited since its review' if review == 'suspect' else review}: 'python -m "
            f"radiotrace review {name}'"
        )
    mine = [test for test, entry in known_tests.items() if name in entry["verifies"]]
    if mine or "test" in requirement["verification"]["methods"]:
        if not found["whole"]:
            reasons.append("the tests ran in part only: 'make verification'")
        against = {line for file in {test.split("::")[0] for test in mine} for line in stale.get(file, [])}
        if against:
            reasons.append(f"{len(against)} files changed since its tests ran: 'make verification'")
        reasons += tests.problems(requirement, found, known_tests)
    verdicts = {}
    for control_id in requirement["verification"]["negative_controls"]:
        control = design.negative_controls[control_id]
        seen = negative_controls.seen_sha256(
            control, design.requirements, found["files"], known_tests, run_id
        )
        verdicts[control_id] = (
            "broken" if control_id in broken else negative_controls.verdict(control, name, outcomes, seen)
        )
    reasons += [
        f"{control_id} ({design.negative_controls[control_id]['what']}) is {verdict}, expected red"
        for control_id, verdict in verdicts.items()
        if verdict != "red"
    ]
    if "acceptance" in requirement and (result is None or result["verdict"] != "met"):
        reasons.append(
            f"criterion {result['verdict']}: {result['reason']}" if result else "its criterion was not judged"
        )
    return {
        "title": requirement["title"],
        "owner": design.owner(name),
        "status": "not verified" if reasons else "verified",
        "reasons": reasons,
        "review": review,
        "user_needs": requirement["parents"],
        "risk_controls": requirement["risk_controls"],
        "negative_controls": verdicts,
        "tests": mine,
        "criterion": result["verdict"] if result else None,
    }


def _gaps(design: Design, rows: dict, needs: dict, known_tests: dict) -> list[dict]:
    """What is linked to nothing, or to what is not there."""
    gaps = [
        {"item": name, "gap": "no requirement meets this need"}
        for name, need in needs.items()
        if not need["requirements"]
    ]
    gaps += [
        {"item": name, "gap": f"not verified: {'; '.join(row['reasons'])}"}
        for name, row in rows.items()
        if row["status"] != "verified"
    ]
    unknown = defaultdict(list)
    for test, entry in known_tests.items():
        for name in set(entry["verifies"]) - rows.keys():
            unknown[test].append(name)
    gaps += [
        {"item": test, "gap": f"verifies {', '.join(sorted(names))}, which requirements.yaml does not know"}
        for test, names in unknown.items()
    ]
    used = {control_id for row in rows.values() for control_id in row["negative_controls"]}
    gaps += [
        {"item": name, "gap": "no requirement names this negative control"}
        for name in design.negative_controls.keys() - used
    ]
    judged = {one["id"] for one in design.requirements["requirements"] if "acceptance" in one}
    gone = {one["item"] for one in design.reviews if one["criterion_sha256"]} - judged
    gaps += [
        {"item": name, "gap": "was reviewed as a requirement with a criterion, and is no longer one"}
        for name in gone
    ]
    gaps += risks.unlinked(design.risks, design.requirements)
    return gaps
