"""The model card: what a user should know.

Every number is a reference of the record 'model_card', and leads where the reference leads.
"""

from radiotrace.evidence.pages.elements import (
    Block,
    Page,
    Records,
    Row,
    Section,
    Span,
    bullets,
    facts,
    in_words,
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


FIRST = ("name", "who", "what")  # keys of an entry that say what it is of


def refer(reference: dict, look: str = "") -> Span:
    """The value of a reference, with the place it is from."""
    value = reference["value"]
    words = f"{len(value)} entries" if isinstance(value, (list, dict)) else in_words(value)
    is_hash = isinstance(value, str) and len(value) == 64
    return Span(words, f"{reference['file']}#{reference['pointer']}", look or ("code" if is_hash else ""))


def _prose(block: dict) -> Block:
    """Texts that people wrote, with the status that they have."""
    file = block["file"]
    rows = [Row(("status of this text", Span(block["status"], f"{file}#/status")))]
    for name, value in block["text"].items():
        rows.append(Row((name.replace("_", " "), _text_lines(value, f"{file}#/{name}"))))
    return Block("facts", rows=tuple(rows))


def _text_lines(value, source: str) -> list:
    """Lines of a text or of a list of entries. Each entry is a line of its own."""
    if isinstance(value, list):
        return [line for entry in value for line in _text_lines(entry, source)] or [Span("none", source)]
    if isinstance(value, dict):
        return [_entry_line(value, source)]
    return [Span(in_words(value), source)]


def _entry_line(entry: dict, source: str) -> tuple[Span, ...]:
    """The keys and values of an entry, such as 'who: a reader; does: looks'."""
    spans = []
    for name in sorted(entry, key=lambda name: (name not in FIRST, name)):
        if entry[name] is not None:
            if spans:
                spans.append(Span("; ", "", "soft"))
            spans += [
                Span(f"{name.replace('_', ' ')}: ", "", "soft"),
                Span(_value_text(entry[name]), source),
            ]
    return tuple(spans)


def _value_text(value) -> str:
    """Sentences one after the other; words with commas."""
    sentences = isinstance(value, list) and value and all(text.endswith(".") for text in map(str, value))
    return " ".join(value) if sentences else in_words(value)


def _references(block: dict) -> Block:
    named = {name: reference for name, reference in block.items() if "pointer" in reference}
    return facts(
        *(
            (name.replace("_", " ").replace("sha256", "SHA-256"), refer(reference))
            for name, reference in named.items()
        )
    )


def _parts(card: dict) -> Block:
    return table(
        "Parts of the split.",
        ("part", "cases", "subjects"),
        [
            (part, refer(counts["cases"]), refer(counts["subjects"]))
            for part, counts in card["development_data"]["parts"].items()
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
    performance = card["performance"]
    rows = [
        (
            headings[measure],
            label.replace("_", " "),
            refer(summary["mean"]),
            (refer(summary["ci95_low"]), " to ", refer(summary["ci95_high"])),
            refer(summary["n_subjects"]),
        )
        for measure, labels in performance["measures"].items()
        for label, summary in labels.items()
    ]
    calibration = [
        (f"calibration error, {when} scaling: ", refer(error))
        for when, error in sorted(performance["calibration_error"].items(), reverse=True)
    ]
    n_models = refer(performance["models_that_saw_this_test_part"])
    return (
        text(
            (
                "Part of the split: ",
                refer(performance["part"]),
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
        bullets(calibration),
        *_lowest(performance["lowest_dice"], leading),
    )


def _lowest(cases: dict[str, dict], leading: str) -> tuple:
    """The cases that come out worst by the first measure; nothing where the task ranks none."""
    if not cases:
        return ()
    lowest = sorted(cases.items(), key=lambda item: item[1]["value"])
    rows = [(case_id, refer(value)) for case_id, value in lowest]
    return (table(f"The cases with the lowest {leading}.", ("case", leading), rows),)


def _requirements(card: dict) -> Block:
    return table(
        "The report on verification has the criteria as a whole.",
        ("requirement", "bound", "threshold", "verdict", "set before opening"),
        [
            (
                name,
                refer(result["observed"]),
                refer(result["threshold"]),
                refer(result["verdict"], "good" if result["verdict"]["value"] == "met" else "bad"),
                refer(result["prespecified"]),
            )
            for name, result in card["requirements"].items()
        ],
    )


def _risks(card: dict) -> tuple:
    gaps, anomalies = card["risks"]["unacceptable_or_open"], card["risks"]["anomalies"]
    return (
        bullets(
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
            [(anomaly["id"], anomaly["title"], anomaly["decision"]) for anomaly in anomalies["value"]],
        ),
    )
