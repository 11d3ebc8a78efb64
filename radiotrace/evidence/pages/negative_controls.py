"""Negative controls in a document: which fault was seeded where, and what noticed it."""

from radiotrace.evidence.pages.parts import Block, Records, Row, news, table

UNKNOWN = "described in negative_controls.yaml"


def faults_seeded(records: Records) -> dict[str, tuple[int, dict]]:
    """Id of each fault that the bundle describes -> its position and itself; none where the bundle
    describes none."""
    found = records.bundle.get("seeded_faults.json", {"negative_controls": []})["negative_controls"]
    return {one["id"]: (number, one) for number, one in enumerate(found)}


def seeded(records: Records, control: str) -> str:
    """What a negative control changes."""
    known = faults_seeded(records)
    return known[control][1]["what"] if control in known else UNKNOWN


def noticed(records: Records) -> Block:
    """What was seeded, and what came of it."""
    traced, known = records["traceability"]["requirements"], faults_seeded(records)
    using: dict[str, list[str]] = {}
    for name, found in traced.items():
        for control in found["negative_controls"]:
            using.setdefault(control, []).append(name)
    rows = []
    for control in sorted(using.keys() | known.keys()):
        first, what, where = control, UNKNOWN, "unknown"
        if control in known:
            first, what, where = _described(records, *known[control])
        verdicts = [
            (name, ": ", news(traced[name]["negative_controls"][control])) for name in using.get(control, [])
        ]
        rows.append(
            Row((first, what, where, verdicts or "no requirement names it", _red(records, control)), control)
        )
    return table(
        "Each fault was put into a copy of the code, or into the predictions; the tests or the "
        "criterion of every requirement that names it "
        "must then fail (red). A test that was never seen to fail verifies nothing.",
        ("negative control", "what was seeded", "where", "verdict", "noticed by"),
        rows,
        wide=(1, 4),
    )


def _described(records: Records, number: int, fault: dict) -> tuple:
    def show(key, **look):
        return records.show("seeded_faults", "negative_controls", number, key, **look)

    return (
        records.tell(fault["id"], "seeded_faults", "negative_controls", number),
        show("what"),
        show("file", look="code") if "file" in fault else "predictions of the run",
    )


def _red(records: Records, control: str):
    """The test, or the criterion, that noticed the fault, for each requirement."""
    found = records["negative_controls"]["controls"].get(control, {"requirements": {}})["requirements"]
    return [
        (
            records.show("negative_controls", "controls", control, "requirements", name, "red"),
            f" ({row['kind']})" if row.get("kind") else "",
        )
        for name, row in found.items()
        if row["red"]
    ] or "nothing yet"
