"""Links of a bundle: everything that hangs together with one thing, upward to needs and hazards and downward
to tests, code and data.

An answer is a list of tables, each a title with rows of text; the first row is the head. From the records
alone.
"""

from collections.abc import Callable

from radiotrace.evidence.design.compliance import FOLDER

UNKNOWN = "described in negative_controls.yaml"
NO_ROW = "no row of any checklist has this id"


def answers(bundle: dict[str, dict]) -> dict[str, Callable[[dict, str], list]]:
    """Id of everything that has one -> the function that gives its tables."""
    required, traced = bundle["requirements.json"], bundle["traceability.json"]
    named_clauses = [name for row in required["requirements"] for name in row["clauses"]]
    functions = dict.fromkeys([*clause_rows(bundle), *named_clauses], clause)
    for names, function in (
        ([row["id"] for row in required["user_needs"]], need),
        (traced["requirements"], requirement),
        (bundle["risks.json"]["controls"], risk_control),
        (bundle["risks.json"]["hazards"], hazard),
        (faults(bundle), negative_control),
        (traced["tests"], test),
        ([row["id"] for row in bundle["anomalies.json"]["anomalies"]], anomaly),
    ):
        functions |= dict.fromkeys(names, function)
    return functions


def requirement(bundle: dict, name: str) -> list:
    """A requirement with its reasons, needs, risks, tests, negative controls, criterion, clauses and
    anomalies."""
    row = bundle["traceability.json"]["requirements"][name]
    written = next(entry for entry in bundle["requirements.json"]["requirements"] if entry["id"] == name)
    controls = bundle["risks.json"]["controls"]
    known = [controls[control] for control in row["risk_controls"] if control in controls]
    hazards = {hazard_id for control in known for hazard_id in control["hazards"]}
    return [
        (
            "requirement",
            [
                (name, row["title"]),
                ("whose", row["owner"]),
                ("status", row["status"]),
                ("statement", written["statement"]),
                ("review", row["review"]),
            ],
        ),
        ("what speaks against it", [(reason,) for reason in row["reasons"]]),
        ("upward: needs", _needs(bundle, row["user_needs"])),
        ("upward: risk controls", _controls(bundle, row["risk_controls"])),
        ("upward: hazards", _hazards(bundle, hazards)),
        ("downward: tests", tests(bundle, row["tests"])),
        ("downward: negative controls", _seeded(bundle, row["negative_controls"])),
        ("downward: criterion", _criteria(bundle, [name])),
        ("clauses", _clauses(bundle, written["clauses"])),
        ("anomalies", _anomalies(bundle, "requirements", name)),
    ]


def need(bundle: dict, name: str) -> list:
    """A user need with its requirements."""
    text = next(entry["text"] for entry in bundle["requirements.json"]["user_needs"] if entry["id"] == name)
    row = bundle["traceability.json"]["user_needs"][name]
    return [
        ("user need", [(name, text), ("whose", row["owner"]), ("status", row["status"])]),
        *_behind(bundle, row["requirements"]),
    ]


def risk_control(bundle: dict, name: str) -> list:
    """A risk control with its hazards and the requirements behind it."""
    control = bundle["risks.json"]["controls"][name]
    about = [(name, control["title"]), ("kind", control["type"]), ("effective", _yes(control["effective"]))]
    passages = [
        (passage["file"], passage["phrase"], "found" if passage["found"] else "not found")
        for passage in control["informed_by"]
    ]
    return [
        ("risk control", about),
        ("what speaks against it", [(reason,) for reason in control["reasons"]]),
        ("upward: hazards", _hazards(bundle, control["hazards"])),
        *_behind(bundle, control["requirements"]),
        ("downward: information for users", passages),
    ]


def hazard(bundle: dict, name: str) -> list:
    """A hazard with its levels, its controls and the requirements behind these."""
    row, controls = bundle["risks.json"]["hazards"][name], bundle["risks.json"]["controls"]
    known = [controls[control] for control in row["controls"] if control in controls]
    behind = dict.fromkeys(requirement for control in known for requirement in control["requirements"])
    levels = []
    for when, key in (
        ("before control", "before"),
        ("as things are", "residual"),
        ("with all controls effective", "after_if_effective"),
    ):
        if risk := row[key]:
            pair = f"probability {risk['probability']}, severity {risk['severity']}"
            levels.append((when, risk["level"], pair))
    return [
        (
            "hazard",
            [
                (name, row["title"]),
                ("situation", row["situation"]),
                ("harm", row["harm"]),
                ("acceptable", _yes(row["acceptable"])),
            ],
        ),
        ("risk", levels),
        ("what speaks against it", [(reason,) for reason in row["reasons"]]),
        ("downward: risk controls", _controls(bundle, row["controls"])),
        *_behind(bundle, behind),
        ("anomalies", _anomalies(bundle, "hazards", name)),
    ]


def negative_control(bundle: dict, name: str) -> list:
    """A negative control: what it seeds, what came of it for each requirement, and what noticed it."""
    fault = faults(bundle)[name]
    users = [
        (requirement_id, row["title"], row["negative_controls"][name])
        for requirement_id, row in bundle["traceability.json"]["requirements"].items()
        if name in row["negative_controls"]
    ]
    outcomes = bundle["negative_controls.json"]["controls"].get(name, {"requirements": {}})["requirements"]
    noticed = [(requirement_id, red) for requirement_id, row in outcomes.items() for red in row["red"]]
    place = fault.get("file", "predictions of the run" if fault else "unknown")
    return [
        ("negative control", [(name, fault.get("what", UNKNOWN)), ("seeded in", place)]),
        ("upward: requirements", users),
        ("noticed by", noticed),
    ]


def test(bundle: dict, name: str) -> list:
    """A test: its outcome, the source that ran and the requirements that it verifies."""
    row, ran = bundle["traceability.json"]["tests"][name], bundle["tests.json"]["tests"].get(name)
    about = [(name, row["outcome"])]
    if ran:
        counts = f"{ran['passed']} of {ran['cases']} passed, {ran['failed']} failed, {ran['skipped']} skipped"
        about += [("cases", counts), ("source, SHA-256", ran["source_sha256"])]
    noticed = []
    for control, outcome in bundle["negative_controls.json"]["controls"].items():
        for requirement_id, verdict in outcome["requirements"].items():
            if name in [red.split("[")[0] for red in verdict["red"]]:
                noticed.append((control, requirement_id))
    return [
        ("test", about),
        ("upward: requirements", requirements(bundle, row["verifies"])),
        ("negative controls that it noticed", noticed),
    ]


def anomaly(bundle: dict, name: str) -> list:
    """A known anomaly with what it touches."""
    row = next(entry for entry in bundle["anomalies.json"]["anomalies"] if entry["id"] == name)
    return [
        (
            "anomaly",
            [
                (name, row["title"]),
                ("what", row["what"]),
                ("evaluation", row["evaluation"]),
                ("decision", row["decision"]),
                ("planned", row["planned"] or "nothing"),
            ],
        ),
        ("upward: hazards", _hazards(bundle, row["hazards"])),
        ("upward: requirements", requirements(bundle, row["requirements"])),
        ("shown by", [(place["file"], place["at"]) for place in row["shown_by"]]),
    ]


def clause(bundle: dict, name: str) -> list:
    """A clause of a standard: what the bundle shows of it, and the requirements that name it."""
    row = clause_rows(bundle).get(name)
    naming = [
        entry["id"] for entry in bundle["requirements.json"]["requirements"] if name in entry["clauses"]
    ]
    about, references = [(name, NO_ROW)], []
    if row:
        about = [
            (name, row["summary"]),
            ("status", row["status"]),
            ("claimed", row["claimed"]),
            ("note", row["note"] or "none"),
        ]
        references = row["evidence"]
    shown = [
        (
            f"{reference['file'].removeprefix(FOLDER)}#{reference['pointer']}",
            "holds" if reference["held"] else "does not hold",
            reference["found"],
        )
        for reference in references
    ]
    return [
        ("clause", about),
        ("downward: what the bundle shows", shown),
        ("requirements that name it", requirements(bundle, naming)),
    ]


def clause_rows(bundle: dict) -> dict[str, dict]:
    """Id of each clause in a checklist -> its row."""
    return {
        row["id"]: row
        for name, record in sorted(bundle.items())
        if name.startswith("compliance_")
        for row in record["rows"]
    }


def faults(bundle: dict) -> dict[str, dict]:
    """Id of each negative control -> what the bundle says of it; {} where it says nothing."""
    named = set()
    for row in bundle["traceability.json"]["requirements"].values():
        named |= row["negative_controls"].keys()
    described = bundle.get("seeded_faults.json", {"negative_controls": []})["negative_controls"]
    return {name: {} for name in sorted(named)} | {fault["id"]: fault for fault in described}


def _behind(bundle: dict, ids) -> list:
    """Requirements with their tests, negative controls and criteria."""
    rows = bundle["traceability.json"]["requirements"]
    tests_of_all, verdicts = {}, {}
    for requirement_id in ids:
        tests_of_all |= dict.fromkeys(rows[requirement_id]["tests"])
        verdicts |= rows[requirement_id]["negative_controls"]
    return [
        ("downward: requirements", requirements(bundle, ids)),
        ("downward: tests", tests(bundle, tests_of_all)),
        ("downward: negative controls", _seeded(bundle, verdicts)),
        ("downward: criteria", _criteria(bundle, ids)),
    ]


def requirements(bundle: dict, names) -> list:
    """Rows of requirements with their status."""
    rows = bundle["traceability.json"]["requirements"]
    return [
        (name, rows[name]["title"], rows[name]["status"]) if name in rows else (name, "unknown", "")
        for name in names
    ]


def _needs(bundle: dict, names) -> list:
    texts = {need["id"]: need["text"] for need in bundle["requirements.json"]["user_needs"]}
    return [(name, texts[name], bundle["traceability.json"]["user_needs"][name]["status"]) for name in names]


def _controls(bundle: dict, names) -> list:
    known, rows = bundle["risks.json"]["controls"], []
    for name in names:
        if name not in known:
            rows.append((name, "unknown", ""))
        elif known[name]["effective"]:
            rows.append((name, known[name]["title"], "effective"))
        else:
            rows.append((name, known[name]["title"], "not shown effective"))
    return rows


def _hazards(bundle: dict, names) -> list:
    known = bundle["risks.json"]["hazards"]
    return [
        (name, known[name]["title"], "acceptable" if known[name]["acceptable"] else "not acceptable")
        for name in sorted(names, key=lambda name: int(name.rpartition("-")[2]))
    ]


def tests(bundle: dict, names) -> list:
    """Rows of tests with their outcome."""
    return [(name, bundle["traceability.json"]["tests"][name]["outcome"]) for name in names]


def _seeded(bundle: dict, verdicts: dict[str, str]) -> list:
    known = faults(bundle)
    return [(name, known[name].get("what", UNKNOWN), verdict) for name, verdict in verdicts.items()]


def _criteria(bundle: dict, names) -> list:
    return [
        (row["requirement"], row["metric"], row["verdict"], row["reason"], f"{row['n_subjects']} subjects")
        for row in bundle["acceptance.json"]["results"]
        if row["requirement"] in names
    ]


def _clauses(bundle: dict, names) -> list:
    rows = clause_rows(bundle)
    return [
        (name, rows[name]["summary"], rows[name]["status"]) if name in rows else (name, NO_ROW, "")
        for name in names
    ]


def _anomalies(bundle: dict, key: str, name: str) -> list:
    return [
        (anomaly["id"], anomaly["title"], anomaly["decision"])
        for anomaly in bundle["anomalies.json"]["anomalies"]
        if name in anomaly[key]
    ]


def _yes(value: bool) -> str:
    return "yes" if value else "no"
