"""The report on verification and validation: what was shown of each requirement and how, and what was not
checked."""

from radiotrace.evidence.pages import negative_controls
from radiotrace.evidence.pages.parts import (
    RECORDS,
    Page,
    Records,
    Row,
    Section,
    Span,
    apart,
    facts,
    listed,
    news,
    said,
    table,
    text,
)
from radiotrace.evidence.pages.sbom import vulnerability_status
from radiotrace.pipeline import tasks

# Parts of the record 'metrics' that a task may lack.
OF_METRICS = {
    "calibration": "whether probabilities are as they say",
    "subgroups": "how groups of subjects differ",
}


def page(records: Records) -> Page:
    """The document."""
    requirements = records["requirements"]["requirements"]
    return Page(
        "verification",
        "Verification and validation",
        "What was shown of each requirement, how, on which code and data; and what was not checked.",
        [
            Section("results", "Criteria of performance", (_criteria(records),)),
            Section("unchecked", "What was not checked", (listed(unchecked(records)),)),
            Section("object", "What was verified", (_object(records), _stages(records))),
            Section("test-part", "The test part", _test_part(records), new_page=True),
            Section(
                "requirements",
                "Requirements",
                (text(f"{len(requirements)} requirements: those of the software, then those of the study."),),
                new_page=True,
            ),
            *(_requirement(records, number) for number in range(len(requirements))),
            Section(
                "negative-controls", "Negative controls", (negative_controls.noticed(records),), new_page=True
            ),
            Section("anomalies", "Known anomalies", (_anomalies(records),), new_page=True),
            Section("stale", "Files that changed since the tests ran", _stale(records)),
        ],
    )


def _criteria(records: Records):
    rows = []
    for number, one in enumerate(records["acceptance"]["results"]):

        def show(*path, number=number):
            return records.show("acceptance", "results", number, *path)

        rows.append(
            (
                one["requirement"],
                show("metric"),
                show("mean"),
                (show("observed"), f" ({one['bound']})"),
                ("≥ " if one["op"] == ">=" else "≤ ", show("threshold")),
                (show("n_subjects"), ", at least ", show("min_subjects")),
                _interval(records, number),
                show("prespecified"),
                records.verdict("acceptance", "results", number, "verdict"),
            )
        )
    return table(
        "The bound of the interval decides, never the mean. Every number is a link to the record in "
        "which it stands.",
        (
            "requirement",
            "metric",
            "mean",
            "bound",
            "needed",
            "subjects",
            "interval",
            "set before opening",
            "verdict",
        ),
        rows,
        wide=(1, 6),
    )


def _interval(records: Records, number: int):
    ci = records["acceptance"]["results"][number]["ci"]
    words = f"{said(100 * ci['level'])} %, {ci['sided']}-sided, {ci['method']} over {ci['resample_unit']}s"
    return records.tell(words, "acceptance", "results", number, "ci")


def unchecked(records: Records) -> list:
    """What a reader might take for checked and that was not, a line each."""
    return [
        *_missing(records),
        *_not_part(records),
        *_unknown(records),
        "Whether numbers follow from predictions, and "
        "predictions from the model, is not for a report to "
        "say: 'python -m radiotrace verify --level 5' makes them again from this clone.",
    ]


def _missing(records: Records) -> list:
    """What should have run and did not, or not on this code; what was decided too late."""
    traced = records["traceability"]
    not_run = [name for name, test in traced["tests"].items() if test["outcome"] == "not run"]
    numbers = (
        ("stale", len(traced["stale"]), "files changed since the tests ran"),
        ("tests", len(not_run), "tests were not run"),
        (
            "controls_not_red",
            len(traced["controls_not_red"]),
            "pairs of a negative control and a requirement were not seen to turn red",
        ),
        ("unreviewed", len(traced["unreviewed"]), "items are not reviewed as they stand"),
    )
    found = (
        []
        if records["tests"]["whole"]
        else [records.tell("The tests ran in part only, or not at all.", "tests", "whole", look="bad")]
    )
    found += [
        records.tell(f"{number} {what}.", "traceability", key, look="bad")
        for key, number, what in numbers
        if number
    ]
    late = [row["requirement"] for row in records["acceptance"]["results"] if not row["prespecified"]]
    return (
        [*found, ("Criteria that were set after the test part was opened: ", *apart(late))] if late else found
    )


def _not_part(records: Records) -> list:
    """The analyses that the task of the study does not declare, so that nobody made them."""
    absent = [what for name, what in tasks.OPTIONAL.items() if name not in records]
    metrics = records["metrics"]
    absent += [what for key, what in OF_METRICS.items() if key not in metrics]
    return [f"Not part of the task of this study: {what}." for what in absent]


def _unknown(records: Records) -> list:
    """What nobody could check, by what people wrote of it."""
    use, plan = records["intended_use"], records["statistical_plan"]
    found: list = [
        records.show("intended_use", "inputs", number, "not_checked", place)
        for number, one in enumerate(use["inputs"])
        for place in range(len(one["not_checked"]))
    ]
    if use["population"]["unknown"]:
        found.append(
            ("Of the population is not known: ", records.show("intended_use", "population", "unknown"), ".")
        )
    found += [
        ("Deviation from the statistical plan: ", records.show("statistical_plan", "deviations", number))
        for number in range(len(plan["deviations"]))
    ]
    return [
        *found,
        (
            "Vulnerabilities of the packages: ",
            vulnerability_status(records),
            ". Lists of their anomalies read: ",
            records.show("soup", "anomaly_lists", "n_read"),
            " of ",
            records.show("soup", "anomaly_lists", "n"),
            ".",
        ),
    ]


def _object(records: Records):
    return facts(
        ("run", records.show("run", "run_id", look="code")),
        ("model, ONNX, SHA-256", records.show("model", "sha256", look="code")),
        ("weights, SHA-256", records.show("model", "weights_sha256", look="code")),
        (
            "data set",
            (
                records.show("dataset", "dataset", "name"),
                ", root ",
                records.show("run", "dataset_root_sha256", look="code"),
            ),
        ),
        ("code on which the tests ran", records.show("tests", "code_tree_sha256", look="code")),
        ("tests", records.show("tests", "test_tree_sha256", look="code")),
        ("requirements of the study", records.show("acceptance", "requirements_sha256", look="code")),
        (
            "software, as it was designed and verified",
            records.show("traceability", "software_sha256", look="code"),
        ),
    )


def _stages(records: Records):
    rows = [
        (
            records.show("run", "stages", number, "stage"),
            records.tell(str(len(one["code"])), "run", "stages", number, "code"),
            records.tell(str(len(one["inputs"])), "run", "stages", number, "inputs"),
            records.show("run", "stages", number, "sha256", look="code"),
        )
        for number, one in enumerate(records["run"]["stages"])
    ]
    return table(
        "Each stage of the run: the record lists every file of code and every input by SHA-256; the "
        "last column is a hash over all of it.",
        ("stage", "files of code", "inputs", "SHA-256"),
        rows,
        wide=(3,),
    )


def _test_part(records: Records) -> tuple:
    sizes = table(
        "By a hash of the subject: all images of a subject are in one part.",
        ("part", "cases", "subjects"),
        [
            (part, *(records.show("split", "counts", part, what) for what in ("cases", "subjects")))
            for part in records["split"]["counts"]
        ],
    )
    shared = table(
        "What two parts have in common.",
        ("parts", "subjects", "images"),
        [
            tuple(
                records.show("split", "leakage", number, key)
                for key in ("parts", "shared_subjects", "shared_images")
            )
            for number in range(len(records["split"]["leakage"]))
        ],
    )
    opened = records["openings"]["openings"]
    often = (
        "Shown to ",
        records.show("openings", "n_models"),
        f" models, {len(opened)} times. The more there were, the less the figures are worth.",
    )
    times = table(
        often,
        ("model", "stage", "what for", "cases", "metrics, SHA-256"),
        [_opening(records, number, one) for number, one in enumerate(opened)],
        wide=(2,),
    )
    return (sizes, shared, times, _excluded(records))


def _opening(records: Records, number: int, one: dict) -> tuple:
    model, metrics = (
        records.tell(one[key][:12], "openings", "openings", number, key, look="code")
        for key in ("run_id", "metrics_sha256")
    )
    return (
        model,
        *(records.show("openings", "openings", number, key) for key in ("stage", "what_for", "n_cases")),
        metrics,
    )


def _excluded(records: Records):
    excluded = records["acceptance"]["excluded"]
    if not excluded:
        return text(("Excluded cases: ", records.show("acceptance", "excluded"), "."))
    return table(
        "Cases that were left out.",
        ("case", "reason"),
        [
            tuple(records.show("acceptance", "excluded", number, key) for key in ("case_id", "reason"))
            for number in range(len(excluded))
        ],
    )


def _requirement(records: Records, number: int) -> Section:
    one = records["requirements"]["requirements"][number]
    name, found = one["id"], records["traceability"]["requirements"][one["id"]]
    criterion = next(
        (row for row, result in enumerate(records["acceptance"]["results"]) if result["requirement"] == name),
        None,
    )

    def show(*path):
        return records.show("requirements", "requirements", number, *path)

    places = [
        records.tell("requirement", "requirements", "requirements", number),
        records.tell("links", "traceability", "requirements", name),
    ]
    places += [records.tell("verdict", "acceptance", "results", criterion)] if criterion is not None else []
    return Section(
        name,
        f"{name} {one['title']}",
        (
            facts(
                (RECORDS, apart(places)),
                (
                    "status",
                    [records.verdict("traceability", "requirements", name, "status"), *_reasons(found)],
                ),
                ("statement", show("statement")),
                ("whose", records.show("traceability", "requirements", name, "owner")),
                (
                    "kind",
                    (
                        show("type"),
                        ", ",
                        show("status"),
                        ", ",
                        records.verdict("traceability", "requirements", name, "review"),
                    ),
                ),
                ("methods", show("verification", "methods")),
                ("needs", apart(found["user_needs"])),
                ("risk controls", apart(found["risk_controls"])),
                ("clauses", apart(one["clauses"])),
                ("tests", _tests_of(records, found)),
                (
                    "negative controls",
                    [_noticed(records, name, control) for control in found["negative_controls"]] or "none",
                ),
                criterion is not None and ("acceptance", _acceptance(records, number, criterion)),
            ),
        ),
        level=3,
    )


def _reasons(found: dict) -> list[str]:
    """What speaks against a requirement; tests that were not run are named below."""
    not_run = [
        reason for reason in found["reasons"] if reason in {f"{test} was not run" for test in found["tests"]}
    ]
    return [reason for reason in found["reasons"] if reason not in not_run] + (
        [f"not run, of the tests below: {len(not_run)}"] if not_run else []
    )


def _tests_of(records: Records, found: dict):
    run, rows = records["tests"]["tests"], []
    for test in found["tests"]:
        counts = (
            (
                ", ",
                records.tell(f"{run[test]['passed']} of {run[test]['cases']}", "tests", "tests", test),
                " cases",
            )
            if test in run
            else ()
        )
        rows.append((test, ": ", news(records["traceability"]["tests"][test]["outcome"]), *counts))
    return rows or "none"


def _noticed(records: Records, requirement: str, control: str) -> tuple:
    """What was seeded, what came of it, and what noticed it."""
    seen = (
        records["negative_controls"]["controls"]
        .get(control, {"requirements": {}})["requirements"]
        .get(requirement, {"red": []})
    )
    by = (
        (
            ", noticed by ",
            records.show("negative_controls", "controls", control, "requirements", requirement, "red"),
        )
        if seen["red"]
        else ()
    )
    return (
        control,
        f" ({negative_controls.seeded(records, control)}): ",
        records.verdict("traceability", "requirements", requirement, "negative_controls", control),
        *by,
    )


def _acceptance(records: Records, number: int, result: int) -> list:
    def show(*path):
        return records.show("acceptance", "results", result, *path)

    row = records["acceptance"]["results"][result]
    return [
        (
            show("metric"),
            " on the part ",
            show("part"),
            ": mean ",
            show("mean"),
            f", {row['bound']} bound ",
            show("observed"),
            f" {'≥' if row['op'] == '>=' else '≤'} ",
            show("threshold"),
            ": ",
            records.verdict("acceptance", "results", result, "verdict"),
        ),
        (show("n_subjects"), " subjects, at least ", show("min_subjects"), "; ", _interval(records, result)),
        ("family ", show("multiplicity", "family"), ": ", show("multiplicity", "method")),
        ("set before the test part was opened: ", show("prespecified")),
        (
            "why this threshold: ",
            records.show("requirements", "requirements", number, "acceptance", "justification"),
        ),
    ]


def _anomalies(records: Records):
    rows = []
    for number, one in enumerate(records["anomalies"]["anomalies"]):

        def show(key, number=number):
            return records.show("anomalies", "anomalies", number, key)

        decision = [show("decision"), *([("planned: ", show("planned"))] if one["planned"] else [])]
        what = [Span(one["title"], "", "strong"), show("what")]
        rows.append(
            Row(
                (
                    records.tell(one["id"], "anomalies", "anomalies", number),
                    what,
                    show("evaluation"),
                    apart((*one["requirements"], *one["hazards"])),
                    decision,
                ),
                one["id"],
            )
        )
    return table(
        "Deviations that are known and in the software.",
        ("anomaly", "what it is", "evaluation", "touches", "decision"),
        rows,
        wide=(1, 2),
    )


def _stale(records: Records) -> tuple:
    if not records["traceability"]["stale"]:
        return (text(("None: ", records.tell("the tests ran on these files", "traceability", "stale"), ".")),)
    return (
        listed(
            records.show("traceability", "stale", number)
            for number in range(len(records["traceability"]["stale"]))
        ),
    )
