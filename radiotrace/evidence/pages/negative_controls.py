"""Negative controls in a document: which fault was seeded where, and what noticed it."""

from radiotrace.evidence.pages.elements import Block, Records, Row, status_span, table

UNKNOWN = "described in negative_controls.yaml"


def faults_seeded(records: Records) -> dict[str, tuple[int, dict]]:
    """Id of each fault that the bundle describes -> its position and the fault; {} where there is none."""
    listed = records.bundle.get("seeded_faults.json", {"negative_controls": []})["negative_controls"]
    return {fault["id"]: (number, fault) for number, fault in enumerate(listed)}


def description(records: Records, control: str) -> str:
    """What a negative control changes."""
    known = faults_seeded(records)
    return known[control][1]["what"] if control in known else UNKNOWN


def outcomes_table(records: Records) -> Block:
    """What was seeded, and what came of it."""
    traced, known = records["traceability"]["requirements"], faults_seeded(records)
    requirements_by_control: dict[str, list[str]] = {}
    for name, requirement in traced.items():
        for control in requirement["negative_controls"]:
            requirements_by_control.setdefault(control, []).append(name)
    rows = []
    for control in sorted(requirements_by_control.keys() | known.keys()):
        cells = (control, UNKNOWN, "unknown")
        if control in known:
            cells = _description_cells(records, *known[control])
        verdicts = [
            (name, ": ", status_span(traced[name]["negative_controls"][control]))
            for name in requirements_by_control.get(control, [])
        ]
        noticed_by = _noticed_by(records, control)
        rows.append(Row((*cells, verdicts or "no requirement names it", noticed_by), control))
    return table(
        "Each fault was put into a copy of the code, or into the predictions; the tests or the "
        "criterion of every requirement that names it "
        "must then fail (red). A test that was never seen to fail verifies nothing.",
        ("negative control", "what was seeded", "where", "verdict", "noticed by"),
        rows,
        wide=(1, 4),
    )


def _description_cells(records: Records, number: int, fault: dict) -> tuple:
    """The cells 'negative control', 'what was seeded' and 'where'."""

    def show(key, **look):
        return records.show("seeded_faults", "negative_controls", number, key, **look)

    return (
        records.tell(fault["id"], "seeded_faults", "negative_controls", number),
        show("what"),
        show("file", look="code") if "file" in fault else "predictions of the run",
    )


def _noticed_by(records: Records, control: str):
    """The test, or the criterion, that noticed the fault, for each requirement."""
    outcomes = records["negative_controls"]["controls"].get(control, {"requirements": {}})["requirements"]
    return [
        (
            records.show("negative_controls", "controls", control, "requirements", name, "red"),
            f" ({row['kind']})" if row.get("kind") else "",
        )
        for name, row in outcomes.items()
        if row["red"]
    ] or "nothing yet"
