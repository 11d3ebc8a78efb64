"""Links of a bundle: everything that hangs together with one thing, upward to needs and hazards and downward
to tests, code and data.

An answer is a list of tables, each a title with rows of text; the first row is the head. From the records
alone.
"""

from collections.abc import Callable

from radiotrace.evidence.design.compliance import FOLDER

UNKNOWN = "described in negative_controls.yaml"
NO_ROW = "no row of any checklist has this id"


def things(bundle: dict[str, dict]) -> dict[str, Callable[[dict, str], list]]:
    """Id of everything that has one -> the function that tells its links."""
    written = bundle["requirements.json"]
    found = {
        row["id"]: clause
        for name, record in sorted(bundle.items())
        if name.startswith("compliance_")
        for row in record["rows"]
    }
    found |= dict.fromkeys((name for one in written["requirements"] for name in one["clauses"]), clause)
    for names, tell in (
        ((one["id"] for one in written["user_needs"]), need),
        (bundle["traceability.json"]["requirements"], requirement),
        (bundle["risks.json"]["controls"], risk_control),
        (bundle["risks.json"]["hazards"], hazard),
        (faults(bundle), negative_control),
        (bundle["traceability.json"]["tests"], test),
        ((one["id"] for one in bundle["anomalies.json"]["anomalies"]), anomaly),
    ):
        found |= dict.fromkeys(names, tell)
    return found


def requirement(bundle: dict, name: str) -> list:
    """A requirement with its reasons, needs, risks, tests, negative controls, criterion, clauses and
    anomalies."""
    row = bundle["traceability.json"]["requirements"][name]
    one = next(one for one in bundle["requirements.json"]["requirements"] if one["id"] == name)
    return [
        (
            "requirement",
            [
                (name, row["title"]),
                ("whose", row["owner"]),
                ("status", row["status"]),
                ("statement", one["statement"]),
                ("review", row["review"]),
            ],
        ),
        ("what speaks against it", [(reason,) for reason in row["reasons"]]),
        ("upward: needs", _needs(bundle, row["user_needs"])),
        ("upward: risk controls", _controls(bundle, row["risk_controls"])),
        (
            "upward: hazards",
            _hazards(
                bundle,
                {
                    hazard
                    for control in row["risk_controls"]
                    if control in bundle["risks.json"]["controls"]
                    for hazard in bundle["risks.json"]["controls"][control]["hazards"]
                },
            ),
        ),
        ("downward: tests", tests(bundle, row["tests"])),
        ("downward: negative controls", _seeded(bundle, row["negative_controls"])),
        ("downward: criterion", _criteria(bundle, [name])),
        ("clauses", _clauses(bundle, one["clauses"])),
        ("anomalies", _anomalies(bundle, "requirements", name)),
    ]


def need(bundle: dict, name: str) -> list:
    """A user need with its requirements."""
    text = next(one["text"] for one in bundle["requirements.json"]["user_needs"] if one["id"] == name)
    row = bundle["traceability.json"]["user_needs"][name]
    return [
        ("user need", [(name, text), ("whose", row["owner"]), ("status", row["status"])]),
        *_behind(bundle, row["requirements"]),
    ]


def risk_control(bundle: dict, name: str) -> list:
    """A risk control with its hazards and the requirements behind it."""
    one = bundle["risks.json"]["controls"][name]
    return [
        (
            "risk control",
            [(name, one["title"]), ("kind", one["type"]), ("effective", _yes(one["effective"]))],
        ),
        ("what speaks against it", [(reason,) for reason in one["reasons"]]),
        ("upward: hazards", _hazards(bundle, one["hazards"])),
        *_behind(bundle, one["requirements"]),
        (
            "downward: information for users",
            [
                (told["file"], told["phrase"], "found" if told["found"] else "not found")
                for told in one["informed_by"]
            ],
        ),
    ]


def hazard(bundle: dict, name: str) -> list:
    """A hazard with its levels, its controls and the requirements behind these."""
    one = bundle["risks.json"]["hazards"][name]
    behind = [
        each
        for control in one["controls"]
        if control in bundle["risks.json"]["controls"]
        for each in bundle["risks.json"]["controls"][control]["requirements"]
    ]
    levels = [
        (when, one[key]["level"], f"probability {one[key]['probability']}, severity {one[key]['severity']}")
        for when, key in (
            ("before control", "before"),
            ("as things are", "residual"),
            ("with all controls effective", "after_if_effective"),
        )
        if one[key]
    ]
    return [
        (
            "hazard",
            [
                (name, one["title"]),
                ("situation", one["situation"]),
                ("harm", one["harm"]),
                ("acceptable", _yes(one["acceptable"])),
            ],
        ),
        ("risk", levels),
        ("what speaks against it", [(reason,) for reason in one["reasons"]]),
        ("downward: risk controls", _controls(bundle, one["controls"])),
        *_behind(bundle, dict.fromkeys(behind)),
        ("anomalies", _anomalies(bundle, "hazards", name)),
    ]


def negative_control(bundle: dict, name: str) -> list:
    """A negative control: what it seeds, what came of it for each requirement, and what noticed it."""
    one = faults(bundle)[name]
    rows = bundle["traceability.json"]["requirements"]
    users = [
        (each, row["title"], row["negative_controls"][name])
        for each, row in rows.items()
        if name in row["negative_controls"]
    ]
    seen = bundle["negative_controls.json"]["controls"].get(name, {"requirements": {}})["requirements"]
    return [
        (
            "negative control",
            [
                (name, one.get("what", UNKNOWN)),
                ("seeded in", one.get("file", "predictions of the run" if one else "unknown")),
            ],
        ),
        ("upward: requirements", users),
        ("noticed by", [(each, red) for each, found in seen.items() for red in found["red"]]),
    ]


def test(bundle: dict, name: str) -> list:
    """A test: its outcome, the source that ran and the requirements that it verifies."""
    row, ran = bundle["traceability.json"]["tests"][name], bundle["tests.json"]["tests"].get(name)
    counts = (
        [
            (
                "cases",
                f"{ran['passed']} of {ran['cases']} passed, {ran['failed']} failed, {ran['skipped']} skipped",
            ),
            ("source, SHA-256", ran["source_sha256"]),
        ]
        if ran
        else []
    )
    noticed = [
        (control, each)
        for control, found in bundle["negative_controls.json"]["controls"].items()
        for each, one in found["requirements"].items()
        if any(red.split("[")[0] == name for red in one["red"])
    ]
    return [
        ("test", [(name, row["outcome"]), *counts]),
        ("upward: requirements", requirements(bundle, row["verifies"])),
        ("negative controls that it noticed", noticed),
    ]


def anomaly(bundle: dict, name: str) -> list:
    """A known anomaly with what it touches."""
    one = next(one for one in bundle["anomalies.json"]["anomalies"] if one["id"] == name)
    return [
        (
            "anomaly",
            [
                (name, one["title"]),
                ("what", one["what"]),
                ("evaluation", one["evaluation"]),
                ("decision", one["decision"]),
                ("planned", one["planned"] or "nothing"),
            ],
        ),
        ("upward: hazards", _hazards(bundle, one["hazards"])),
        ("upward: requirements", requirements(bundle, one["requirements"])),
        ("shown by", [(place["file"], place["at"]) for place in one["shown_by"]]),
    ]


def clause(bundle: dict, name: str) -> list:
    """A clause of a standard: what the bundle shows of it, and the requirements that name it."""
    row = clause_rows(bundle).get(name)
    naming = [one["id"] for one in bundle["requirements.json"]["requirements"] if name in one["clauses"]]
    told = (
        [
            (name, row["summary"]),
            ("status", row["status"]),
            ("claimed", row["claimed"]),
            ("note", row["note"] or "none"),
        ]
        if row
        else [(name, NO_ROW)]
    )
    shown = (
        [
            (
                f"{one['file'].removeprefix(FOLDER)}#{one['pointer']}",
                "holds" if one["held"] else "does not hold",
                one["found"],
            )
            for one in row["evidence"]
        ]
        if row
        else []
    )
    return [
        ("clause", told),
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
    named = {
        control
        for row in bundle["traceability.json"]["requirements"].values()
        for control in row["negative_controls"]
    }
    described = bundle.get("seeded_faults.json", {"negative_controls": []})["negative_controls"]
    return {name: {} for name in sorted(named)} | {one["id"]: one for one in described}


def _behind(bundle: dict, ids) -> list:
    """Requirements with their tests, negative controls and criteria."""
    rows = bundle["traceability.json"]["requirements"]
    return [
        ("downward: requirements", requirements(bundle, ids)),
        ("downward: tests", tests(bundle, dict.fromkeys(each for one in ids for each in rows[one]["tests"]))),
        (
            "downward: negative controls",
            _seeded(
                bundle,
                {
                    control: verdict
                    for one in ids
                    for control, verdict in rows[one]["negative_controls"].items()
                },
            ),
        ),
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
    texts = {one["id"]: one["text"] for one in bundle["requirements.json"]["user_needs"]}
    return [(name, texts[name], bundle["traceability.json"]["user_needs"][name]["status"]) for name in names]


def _controls(bundle: dict, names) -> list:
    known = bundle["risks.json"]["controls"]
    words = {True: "effective", False: "not shown effective"}
    return [
        (name, known[name]["title"], words[known[name]["effective"]])
        if name in known
        else (name, "unknown", "")
        for name in names
    ]


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
        (one["id"], one["title"], one["decision"])
        for one in bundle["anomalies.json"]["anomalies"]
        if name in one[key]
    ]


def _yes(value: bool) -> str:
    return "yes" if value else "no"
