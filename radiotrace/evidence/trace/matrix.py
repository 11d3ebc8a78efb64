"""Traceability: from each need to its requirements, their tests, negative controls and criteria, and back;
what is missing is a row."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from radiotrace.evidence.design import baseline, negative_controls, reviews, risks
from radiotrace.evidence.design.controls import Design, items
from radiotrace.evidence.trace import tests


def matrix(
    design: Design,
    tested: dict,
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
        tested: the record 'tests'.
        outcomes: the record 'negative_control_outcomes'.
        acceptance: the record 'acceptance'.
        known_tests: of tests.declared().
        stale: of scope.stale(): file of tests -> files of its scope that are not those on which it ran.
        texts: path -> text, of the files that inform users of risks.
        misfits: of fit.misfits(): where the design controls were written for other data.
        before: the record 'requirements_baseline'; None where nobody signed for requirements yet.
        broken: negative controls under which a file cannot be read, so that they prove nothing.
    """
    came_of_them = _Outcomes(
        tested=tested,
        known_tests=known_tests,
        stale=stale,
        controls=outcomes,
        broken=broken,
        results={result["requirement"]: result for result in acceptance["results"]},
        run_id=acceptance["run_id"],
    )
    required = design.requirements["requirements"]
    rows = {requirement["id"]: _row(requirement, design, came_of_them) for requirement in required}
    needs = {need["id"]: _need(need["id"], design, rows) for need in design.requirements["user_needs"]}
    states = {name: reviews.status(name, content, design.reviews) for name, content in items(design).items()}
    unreviewed = {name: state for name, state in states.items() if state != "reviewed"}
    gaps = []
    if not tested["whole"]:
        gaps.append({"item": "tests", "gap": "they ran in part only: 'make verification'"})
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
        "stale": sorted(set().union(*stale.values())),
        "controls_not_red": not_red,
        "baseline": changed,
        "unreviewed": unreviewed,
        "requirements": rows,
        "user_needs": needs,
        "gaps": sorted(gaps, key=lambda gap: (gap["item"], gap["gap"])),
        "tests": {
            test: {"verifies": entry["verifies"], "outcome": tests.outcome(tested["tests"].get(test))}
            for test, entry in known_tests.items()
        },
        "release_blocked": bool(stale or gaps),
    }


def _need(need_id: str, design: Design, rows: dict[str, dict]) -> dict:
    """A user need, which is verified when all its requirements are, and it has some."""
    names = [name for name, row in rows.items() if need_id in row["user_needs"]]
    is_verified = names and all(rows[name]["status"] == "verified" for name in names)
    return {
        "owner": design.owner(need_id),
        "requirements": names,
        "status": "verified" if is_verified else "not verified",
    }


@dataclass(frozen=True)
class _Outcomes:
    """What came of tests, negative controls and criteria: all that a requirement is judged by.

    Attributes:
        tested: the record 'tests'.
        known_tests: of tests.declared().
        stale: of scope.stale().
        controls: the record 'negative_control_outcomes'.
        broken: negative controls under which a file cannot be read.
        results: requirement -> its result in the record 'acceptance'.
        run_id: of the run that they are of.
    """

    tested: dict
    known_tests: dict[str, dict]
    stale: dict[str, list[str]]
    controls: dict
    broken: frozenset[str]
    results: dict[str, dict]
    run_id: str


def _row(requirement: dict, design: Design, outcomes: _Outcomes) -> dict:
    """A requirement with its links and its status; the reasons say everything that speaks against it."""
    name = requirement["id"]
    review = reviews.status(name, requirement, design.reviews)
    verifying = [test for test, entry in outcomes.known_tests.items() if name in entry["verifies"]]
    verdicts = _verdicts(requirement, design, outcomes)
    result = outcomes.results.get(name)
    reasons = []
    if requirement["status"] != "approved":
        reasons.append(f"status is {requirement['status']}, expected approved")
    if review != "reviewed":
        state = "edited since its review" if review == "suspect" else review
        reasons.append(f"{state}: 'python -m radiotrace review {name}'")
    if verifying or "test" in requirement["verification"]["methods"]:
        reasons += _problems_of_tests(requirement, verifying, outcomes)
    reasons += [
        f"{control_id} ({design.negative_controls[control_id]['what']}) is {verdict}, expected red"
        for control_id, verdict in verdicts.items()
        if verdict != "red"
    ]
    if "acceptance" in requirement and result is None:
        reasons.append("its criterion was not judged")
    elif result is not None and "acceptance" in requirement and result["verdict"] != "met":
        reasons.append(f"criterion {result['verdict']}: {result['reason']}")
    return {
        "title": requirement["title"],
        "owner": design.owner(name),
        "status": "not verified" if reasons else "verified",
        "reasons": reasons,
        "review": review,
        "user_needs": requirement["parents"],
        "risk_controls": requirement["risk_controls"],
        "negative_controls": verdicts,
        "tests": verifying,
        "criterion": result["verdict"] if result else None,
    }


def _problems_of_tests(requirement: dict, verifying: list[str], outcomes: _Outcomes) -> list[str]:
    problems = []
    if not outcomes.tested["whole"]:
        problems.append("the tests ran in part only: 'make verification'")
    files = {test.split("::")[0] for test in verifying}
    changed = {line for file in files for line in outcomes.stale.get(file, [])}
    if changed:
        problems.append(f"{len(changed)} files changed since its tests ran: 'make verification'")
    return problems + tests.problems(requirement, outcomes.tested, outcomes.known_tests)


def _verdicts(requirement: dict, design: Design, outcomes: _Outcomes) -> dict[str, str]:
    """Negative control of a requirement -> what came of it."""
    verdicts = {}
    for control_id in requirement["verification"]["negative_controls"]:
        if control_id in outcomes.broken:
            verdicts[control_id] = "broken"
            continue
        control = design.negative_controls[control_id]
        seen = negative_controls.seen_sha256(
            control, design.requirements, outcomes.tested["files"], outcomes.known_tests, outcomes.run_id
        )
        verdicts[control_id] = negative_controls.verdict(control, requirement["id"], outcomes.controls, seen)
    return verdicts


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
    judged = {row["id"] for row in design.requirements["requirements"] if "acceptance" in row}
    gone = {review["item"] for review in design.reviews if review["criterion_sha256"]} - judged
    gaps += [
        {"item": name, "gap": "was reviewed as a requirement with a criterion, and is no longer one"}
        for name in gone
    ]
    gaps += risks.unlinked(design.risks, design.requirements)
    return gaps
