"""The model card: what a user should know.

Every number is a reference of the record 'model_card', and leads where the reference leads.
"""

from radiotrace.evidence.pages.parts import (
    Block,
    Page,
    Records,
    Row,
    Section,
    Span,
    facts,
    listed,
    said,
    table,
    text,
)
from radiotrace.records import measure_table


def page(records: Records) -> Page:
    """The document."""
    card = records["model_card"]
    return Page(
        "model_card",
        "Model card",
        "What a user of the model should know. Texts have the status that stands with them.",
        [
            Section("device", "The model", (_prose(card["device"]["about"]), _references(card["device"]))),
            Section("use", "Intended use", (_prose(card["intended_use"]),)),
            Section("limits", "Limits", (_prose(card["limits"]),)),
            Section("data", "Development data", (_references(card["development_data"]), _parts(card))),
            Section("performance", "Performance", _performance(card, _headings(records), _leading(records))),
            Section("requirements", "Requirements of performance", (_requirements(card),)),
            Section("risks", "Risks", _risks(card)),
        ],
    )


FIRST = ("name", "who", "what")  # of an entry: what it is of


def refer(reference: dict, look: str = "") -> Span:
    """The value of a reference, with the place it is from."""
    value = reference["value"]
    text_of = f"{len(value)} entries" if isinstance(value, (list, dict)) else said(value)
    is_hash = isinstance(value, str) and len(value) == 64
    return Span(text_of, f"{reference['file']}#{reference['pointer']}", look or ("code" if is_hash else ""))


def _prose(block: dict) -> Block:
    """Texts that people wrote, with the status that they have."""
    return Block(
        "facts",
        rows=(
            Row(("status of this text", Span(block["status"], f"{block['file']}#/status"))),
            *(
                Row((name.replace("_", " "), _told(value, f"{block['file']}#/{name}")))
                for name, value in block["text"].items()
            ),
        ),
    )


def _told(value, source: str) -> list:
    """A text, or entries with what they say: of an entry one line, so that it is seen where the next
    begins."""
    if isinstance(value, list):
        return [line for one in value for line in _told(one, source)] or [Span("none", source)]
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: (name not in FIRST, name))
        parts = [
            (Span(f"{name.replace('_', ' ')}: ", "", "soft"), Span(_entry(value[name]), source))
            for name in names
            if value[name] is not None
        ]
        return [
            tuple(
                span
                for number, part in enumerate(parts)
                for span in ([Span("; ", "", "soft")] if number else []) + list(part)
            )
        ]
    return [Span(said(value), source)]


def _entry(value) -> str:
    """What an entry says: sentences one after the other, words with commas."""
    sentences = isinstance(value, list) and value and all(text.endswith(".") for text in map(str, value))
    return " ".join(value) if sentences else said(value)


def _references(block: dict) -> Block:
    return facts(
        *(
            (name.replace("_", " ").replace("sha256", "SHA-256"), refer(one))
            for name, one in block.items()
            if "pointer" in one
        )
    )


def _parts(card: dict) -> Block:
    return table(
        "Parts of the split.",
        ("part", "cases", "subjects"),
        [
            (part, refer(one["cases"]), refer(one["subjects"]))
            for part, one in card["development_data"]["parts"].items()
        ],
    )


def _headings(records: Records) -> dict[str, Span]:
    """Measure -> its title and unit."""
    table = measure_table.read(records["metrics"])
    return {
        name: records.tell(measure.heading, "metrics", "measures", number)
        for number, (name, measure) in enumerate(table.items())
    }


def _leading(records: Records) -> str:
    """Title of the measure that stands first."""
    return measure_table.leading(records["metrics"]).title


def _performance(card: dict, headings: dict[str, Span], leading: str) -> tuple:
    found = card["performance"]
    rows = [
        (
            headings[measure],
            label.replace("_", " "),
            refer(one["mean"]),
            (refer(one["ci95_low"]), " to ", refer(one["ci95_high"])),
            refer(one["n_subjects"]),
        )
        for measure, labels in found["measures"].items()
        for label, one in labels.items()
    ]
    calibration = [
        (f"calibration error, {when} scaling: ", refer(one))
        for when, one in sorted(found["calibration_error"].items(), reverse=True)
    ]
    n_models = refer(found["models_that_saw_this_test_part"])
    return (
        text(
            (
                "Part of the split: ",
                refer(found["part"]),
                ". Models that were shown this test part: ",
                n_models,
                ".",
            )
        ),
        table(
            "Means over cases with 95 % intervals over subjects.",
            ("measure", "label", "mean", "95 % interval", "subjects"),
            rows,
        ),
        listed(calibration),
        *_lowest(found["lowest_dice"], leading),
    )


def _lowest(cases: dict[str, dict], leading: str) -> tuple:
    """The cases that come out worst by the first measure; nothing where the task ranks none."""
    if not cases:
        return ()
    rows = [(name, refer(one)) for name, one in sorted(cases.items(), key=lambda item: item[1]["value"])]
    return (table(f"The cases with the lowest {leading}.", ("case", leading), rows),)


def _requirements(card: dict) -> Block:
    return table(
        "The report on verification has the criteria as a whole.",
        ("requirement", "bound", "threshold", "verdict", "set before opening"),
        [
            (
                name,
                refer(one["observed"]),
                refer(one["threshold"]),
                refer(one["verdict"], "good" if one["verdict"]["value"] == "met" else "bad"),
                refer(one["prespecified"]),
            )
            for name, one in card["requirements"].items()
        ],
    )


def _risks(card: dict) -> tuple:
    gaps, anomalies = card["risks"]["unacceptable_or_open"], card["risks"]["anomalies"]
    return (
        listed(
            [
                ("Risks that are not acceptable or open: ", refer(gaps)),
                ("Known anomalies: ", refer(anomalies)),
                (
                    "Release blocked: ",
                    refer(card["release_blocked"], "bad" if card["release_blocked"]["value"] else "good"),
                ),
            ]
        ),
        table(
            "Known anomalies.",
            ("anomaly", "what it is", "decision"),
            [(one["id"], one["title"], one["decision"]) for one in anomalies["value"]],
        ),
    )
