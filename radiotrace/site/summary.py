"""The summary: what a clinician, an engineer and a reviewer ask of a run, answered from its records.

Every value on it leads to its place in a record, and is what stands there: nothing is computed; what is
lowest among values of a record is picked, and verdicts are counted. What a run did not leave is said where it
would stand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from radiotrace.evidence.pages import release_status
from radiotrace.evidence.pages.elements import count_of, in_words
from radiotrace.evidence.verify import believed
from radiotrace.site import frame, record_pages
from radiotrace.site.left import METRICS, TRAIN, Left

INTENDED = "design/intended_use.yaml"
ACCEPTANCE, TRACED = "evidence/acceptance.json", "evidence/traceability.json"
ROBUSTNESS, GATES = "metrics/robustness.json", "metrics/gates.json"
SIGNED = "signatures/provenance.dsse.json"
WORST = 3  # cases that a sentence names
OFF = "volume_error_absolute_percent"
# Of the section of train, what a reader looks for first; a task that has them not is shown without.
RECIPE = (
    "loss",
    "epochs",
    "batch_size",
    "patch_voxels",
    "learning_rate",
    "weight_decay",
    "balance_volumes",
    "seed",
)
# Parameter -> what it is called beside what came of it.
COMPUTE = {
    "threads": "threads",
    "devices": "devices",
    "nodes": "nodes",
    "precision": "precision asked for",
    "numerics": "numerics asked for",
}
GOOD = ("met", "verified")
# Verdicts for who has not read what they are called.
IN_WORDS = {
    "not met": "not reached",
    "post-hoc": "decided on too late (post-hoc)",
    "cannot say": "cannot be said",
}


@dataclass(frozen=True)
class Summary:
    """What the page shows; each is HTML.

    Attributes:
        answers: (question, answer) for a clinician.
        blocked: whether the release is; None where no record says so. status: the same as a sentence.
    """

    answers: list[tuple[str, Markup]]
    run: list[tuple[str, Markup]]
    recipe: list[tuple[str, Markup]]
    compute: list[tuple[str, Markup]]
    worst: list[list[Markup]]
    corruptions: list[list[Markup]]
    labels: list[str]
    blocked: bool | None
    status: str
    reasons: list[list[Markup]]
    criteria: list[list[Markup]]
    verified: list[tuple[str, Markup]]
    signature: list[tuple[str, Markup]]
    believed: list[list[Markup]]
    other_runs: list[list[Markup]]


class Told:
    """Values of records, as links to where they stand, from one page of the site.

    Args:
        page: path of the page; pages: paths of all pages that there are.
    """

    def __init__(self, left: Left, page: str, pages: Sequence[str]):
        self.left, self.page, self.pages = left, page, frozenset(pages)

    def value(self, path: str, *keys, text: str | None = None) -> Markup:
        """A value as people read it, or a text that tells it; where there is none, that is said."""
        marker = object()
        value = self.left.value(path, *keys, default=marker)
        if value is marker:
            return Markup('<span class="soft">not in the records</span>')
        return self.linked(path, *keys, text=in_words(value) if text is None else text)

    def linked(self, path: str, *keys, text: str) -> Markup:
        """A text that leads to a place of a record."""
        return self.to(_place(path, *keys), text, "value")

    def to(self, target: str, text: str, look: str = "") -> Markup:
        """A text that leads to a page of the site, where it has it."""
        if target.partition("#")[0] not in self.pages:
            return escape(clean(text))
        kind = Markup(' class="{}"').format(look) if look else ""
        return Markup('<a{} href="{}">{}</a>').format(kind, frame.link(self.page, target), clean(text))

    def case(self, case_id: str) -> Markup:
        """A case, which leads to its page where there is one."""
        return self.to(f"report/cases/{case_id}.html", case_id)


def clean(text: Any) -> str:
    """A text that a file can hold: half characters are written out."""
    return str(text).encode("utf-8", "backslashreplace").decode("utf-8")


def joined(pieces: Sequence[Any], separator: str = ", ") -> Markup:
    """Pieces in one line, escaped where they are no HTML."""
    return escape(separator).join(pieces)


def of(left: Left, page: str, pages: Sequence[str]) -> Summary:
    """The summary of what a run left."""
    told = Told(left, page, pages)
    blocked, status = _release(left)
    return Summary(
        answers=[
            ("How good is it?", _how_good(told)),
            ("Where does it fail?", _fails(told)),
            ("On whom is that known?", _whom(told)),
            ("What must it not be used for?", _not_for(told)),
        ],
        run=_run(told),
        recipe=_recipe(told),
        compute=_compute(told),
        worst=_worst(told),
        corruptions=_corruptions(told),
        labels=_labels(left),
        blocked=blocked,
        status=clean(status),
        reasons=_reasons(told),
        criteria=_criteria(told),
        verified=_verified(told),
        signature=_signature(told),
        believed=_believed(told),
        other_runs=[
            [told.linked(path, "run_id", text=path), told.value(path, "run_id")]
            for path in sorted(left.other_runs)
        ],
    )


def _place(path: str, *keys) -> str:
    fragment = record_pages.anchor(*keys)
    return record_pages.page_of(path) + (f"#{fragment}" if fragment else "")


def _list(value: Any) -> list:
    return value if isinstance(value, list) else []


def _dict(value: Any) -> dict:
    return value if isinstance(value, dict) else {}


def _bullets(items: Sequence[Markup]) -> Markup:
    if not items:
        return Markup("")
    return Markup("<ul>{}</ul>").format(joined([Markup("<li>{}</li>").format(item) for item in items], ""))


def _release(left: Left) -> tuple[bool | None, str]:
    """Whether the release is blocked, and the sentence that says so everywhere."""
    blocked = left.value(TRACED, "release_blocked", default=left.value(GATES, "release_blocked"))
    if not isinstance(blocked, bool):
        return None, "Whether the release is blocked is not known: there is no evidence yet."
    if TRACED not in left.records:
        return blocked, f"{release_status.BLOCKED if blocked else release_status.FREE}."
    rows = _dict(left.value(TRACED, "requirements"))
    traced = {
        "release_blocked": blocked,
        "requirements": {name: {"status": _dict(row).get("status")} for name, row in rows.items()},
        "gaps": [{"gap": str(_dict(row).get("gap"))} for row in _list(left.value(TRACED, "gaps"))],
        "stale": _list(left.value(TRACED, "stale")),
    }
    return blocked, release_status.sentence(traced)


# For a clinician


def _measure(left: Left) -> tuple[str, str]:
    """Name and title of the measure that stands first, which cases are ranked by."""
    row = _dict(left.value(METRICS, "measures", 0))
    name = row.get("name")
    return (name, str(row.get("title") or name)) if isinstance(name, str) else ("", "")


def _labels(left: Left) -> list[str]:
    """Labels of which the first measure has a summary, that of all of them first."""
    rows = _dict(left.value(METRICS, _measure(left)[0]))
    return sorted(rows, key=lambda label: (label != "mean_of_labels", label))


def _how_good(told: Told) -> Markup:
    name, title = _measure(told.left)
    labels = _labels(told.left)
    if not labels:
        return Markup("Not known: the run has no metrics yet.")
    parts = []
    for label in labels:
        words = "over all labels" if label == "mean_of_labels" else f"for {label}"
        mean, interval = _mean(told, name, label)
        parts.append(Markup("{} {} ({})").format(mean, words, interval))
    return Markup("On {} cases of {} subjects of the {} part, the mean {} is {}.{}").format(
        told.value(METRICS, "n_cases"),
        told.value(METRICS, "n_subjects"),
        told.value(METRICS, "part"),
        title,
        joined(parts, "; "),
        _scale(told.left),
    )


def _scale(left: Left) -> Markup:
    """What the ends of the first measure mean, for who has never met it."""
    row = _dict(left.value(METRICS, "measures", 0))
    text = ""
    if row.get("name") == "dice":
        text = " 1 is the same outline as the reference, 0 none in common."
    elif row.get("better") in ("larger", "smaller"):
        text = f" {str(row['better']).capitalize()} is better."
    means = _dict(left.value(METRICS, _measure(left)[0])).values()
    if any(_dict(mean).get("ci95_low") is not None for mean in means):
        text += " The interval says how far chance may have moved a mean."
    return Markup(text)  # noqa: S704 - nothing of it is from a record but two known words


def _mean(told: Told, name: str, label: str) -> tuple[Markup, Markup]:
    """The mean of a label, and its interval or why there is none."""
    mean = told.value(METRICS, name, label, "mean")
    if told.left.value(METRICS, name, label, "ci95_low") is None:
        return mean, Markup("no interval: {}").format(told.value(METRICS, name, label, "no_interval"))
    low, high = (told.value(METRICS, name, label, f"ci95_{end}") for end in ("low", "high"))
    return mean, Markup("95 % interval {} to {}").format(low, high)


def _fails(told: Told) -> Markup:
    """A few lines; what stands behind them is folded."""
    told_first = [_worst_ones(told), _volumes(told), _unnoticed(told), _goals(told)]
    return _bullets([line for line in told_first if line]) + _more(told)


def _worst_ones(told: Told) -> Markup:
    name, title = _measure(told.left)
    cases = []
    for number, row in enumerate(_list(told.left.value(METRICS, "worst_cases"))[:WORST]):
        if isinstance(row, dict):
            score = told.value(METRICS, "worst_cases", number, name)
            cases.append(Markup("{} ({})").format(told.case(clean(row.get("case_id"))), score))
    if not cases:
        return Markup("")
    return Markup("It did worst on {}, by {}.").format(joined(cases), title)


def _volumes(told: Told) -> Markup:
    """The label whose volume is furthest off; "" of a task that measures no volumes."""
    errors = {}
    for label, row in _dict(told.left.value(METRICS, OFF)).items():
        mean = _dict(row).get("mean")
        if label != "mean_of_labels" and isinstance(mean, (int, float)):
            errors[label] = mean
    if not errors:
        return Markup("")
    label = max(errors, key=lambda name: (errors[name], name))
    slope = _dict(told.left.value(METRICS, "volume_agreement", label, "slope"))
    low, high = slope.get("ci95_low"), slope.get("ci95_high")
    tends = ""
    if isinstance(high, (int, float)) and high < 0:
        tends = "large ones tend to come out too small, and small ones too large"
    elif isinstance(low, (int, float)) and low > 0:
        tends = "large ones tend to come out too large, and small ones too small"
    end = Markup("")
    if tends:
        end = Markup("; {}").format(told.value(METRICS, "volume_agreement", label, "slope", text=tends))
    return Markup("In a single case the volume of {} is off by {} % on average, up or down{}.").format(
        clean(label), told.value(METRICS, OFF, label, "mean"), end
    )


def _unnoticed(told: Told) -> Markup:
    """That no kind of uncertainty was shown to find poor cases; "" where one was, or none was tried."""
    kinds = _dict(told.left.value(METRICS, "uncertainty"))
    bounds = [_dict(_dict(row).get("auroc")).get("ci95_low") for row in kinds.values()]
    if not bounds or any(isinstance(low, (int, float)) and low > 0.5 for low in bounds):
        return Markup("")
    text = "It was not shown to notice by itself which cases it got wrong"
    return Markup("{}: a case that it does not flag may be wrong too.").format(
        told.value(METRICS, "uncertainty", text=text)
    )


def _verdicts(told: Told) -> list[tuple[int, str, str]]:
    """Position, title and verdict of each criterion."""
    rows = []
    for number, row in enumerate(_list(told.left.value(ACCEPTANCE, "results"))):
        if isinstance(row, dict):
            rows.append((number, str(row.get("title")), str(row.get("verdict"))))
    return rows


def _goals(told: Told) -> Markup:
    """How many criteria are met, and how many of the rest only look so."""
    verdicts = [verdict for _, _, verdict in _verdicts(told)]
    if ACCEPTANCE not in told.left.records:
        return Markup("Whether it reached its goals is not known: there is no evidence yet.")
    if not verdicts:
        return Markup("No goal was set for it.")
    goals = told.value(ACCEPTANCE, "results", text=count_of(len(verdicts), "goal"))
    text = Markup("It was shown to reach {} of {}.").format(verdicts.count("met"), goals)
    if n_late := verdicts.count("post-hoc"):
        does = "does not count: it was" if n_late == 1 else "do not count: they were"
        text += Markup(" {} more {} decided on only after the test cases had been looked at.").format(
            n_late, does
        )
    return text


def _more(told: Told) -> Markup:
    """Each criterion that is not met, and the limits that people wrote, folded."""
    missed = []
    for number, title, verdict in _verdicts(told):
        if verdict != "met":
            words = IN_WORDS.get(verdict, verdict)
            link = told.value(ACCEPTANCE, "results", number, "verdict", text=words)
            missed.append(Markup("{}: {}").format(clean(title), link))
    n_limits = len(_list(told.left.value(INTENDED, "limits")))
    limits = [told.value(INTENDED, "limits", number) for number in range(n_limits)]
    parts = Markup("")
    if limits:
        parts += _folded(f"Known limits ({n_limits})", limits)
    if missed:
        parts += _folded(f"Goals that it was not shown to reach ({len(missed)})", missed)
    return parts


def _folded(title: str, items: Sequence[Markup]) -> Markup:
    return Markup("<details><summary>{}</summary>{}</details>").format(title, _bullets(items))


def _whom(told: Told) -> Markup:
    sentence = Markup("{} Not known of them: {}. ").format(
        told.value(INTENDED, "population", "evaluated_on"), told.value(INTENDED, "population", "unknown")
    )
    lowest = _furthest(told.left)
    if lowest is None:
        return sentence + Markup("No group could be compared with the others.")
    is_worse, attribute, group = lowest
    if not is_worse:
        return sentence + Markup("No group that was compared does worse than the others.")
    place = ("subgroups", attribute, group)
    gap = Markup(
        "Of the groups that were compared, {} of {} does worst: its {} differs from the others' by {}"
    ).format(
        clean(group),
        clean(attribute.replace("_", " ")),
        _measure(told.left)[1],
        told.value(METRICS, *place, "gap"),
    )
    return sentence + gap + Markup(" ({}).").format(_chance(told, place))


def _chance(told: Told, place: tuple[str, ...]) -> Markup:
    """Whether a gap may be chance, by the interval that holds together with those of all others."""
    low, high = (told.left.value(METRICS, *place, f"gap_simultaneous95_{end}") for end in ("low", "high"))
    if not isinstance(low, (int, float)) or not isinstance(high, (int, float)):
        return Markup("whether by chance is not known: {}").format(
            told.value(METRICS, *place, "gap_no_interval")
        )
    words = "which may be chance" if low <= 0 <= high else "which is more than chance"
    return Markup("{}: interval {} to {}").format(
        words, *(told.value(METRICS, *place, f"gap_simultaneous95_{end}") for end in ("low", "high"))
    )


def _furthest(left: Left) -> tuple[bool, str, str] | None:
    """The worst gap of a group to the others: whether it is one to the worse, attribute and group; None where
    no gap is known."""
    smaller_is_better = left.value(METRICS, "measures", 0, "better") == "smaller"
    gaps = []
    for attribute, groups in _dict(left.value(METRICS, "subgroups")).items():
        for group, row in _dict(groups).items():
            gap = _dict(row).get("gap")
            if isinstance(gap, (int, float)):
                gaps.append((-gap if smaller_is_better else gap, attribute, group))
    if not gaps:
        return None
    gap, attribute, group = min(gaps)
    return gap < 0, attribute, group


def _not_for(told: Told) -> Markup:
    items = [
        told.value(INTENDED, "must_not_be_used", number)
        for number in range(len(_list(told.left.value(INTENDED, "must_not_be_used"))))
    ]
    if not items:
        return Markup("{} does not say. Then for nothing that matters.").format(INTENDED)
    return Markup("It must not be used:{}").format(_bullets(items))


# For an engineer


def _facts(told: Told, *rows: tuple[str, str, tuple]) -> list[tuple[str, Markup]]:
    """(name, value) of (name, record, place), without those that no record has."""
    marker = object()
    return [
        (name, told.value(path, *place))
        for name, path, place in rows
        if told.left.value(path, *place, default=marker) is not marker
    ]


def _run(told: Told) -> list[tuple[str, Markup]]:
    return _facts(
        told,
        ("run", METRICS if METRICS in told.left.records else TRAIN, ("run_id",)),
        ("weights, SHA-256", TRAIN, ("weights_sha256",)),
        ("released model, SHA-256", "build/export/model.json", ("sha256",)),
        ("data set, root of its hashes", "evidence/run.json", ("dataset_root_sha256",)),
        ("models that were shown the test part", "evidence/openings.json", ("n_models",)),
    )


def _recipe(told: Told) -> list[tuple[str, Markup]]:
    keys = [(key, TRAIN, ("params", key)) for key in RECIPE]
    network = "name" if isinstance(told.left.value(TRAIN, "network", "name"), str) else None
    shown = ("network", network) if network else ("network",)
    return _facts(
        told,
        ("network", TRAIN, shown) if network else ("network", TRAIN, ("params", "network")),
        ("weights, how many", TRAIN, ("weights",)),
        *keys,
        ("selection", TRAIN, ("selection",)),
        ("stopped early", TRAIN, ("stopped_early",)),
    )


def _compute(told: Told) -> list[tuple[str, Markup]]:
    in_effect = sorted(_dict(told.left.value(TRAIN, "in_effect")))
    return _facts(
        told,
        *((key.replace("_", " "), TRAIN, ("in_effect", key)) for key in in_effect),
        *((name, TRAIN, ("params", key)) for key, name in COMPUTE.items()),
    )


def _worst(told: Told) -> list[list[Markup]]:
    name, _ = _measure(told.left)
    rows = []
    for number, row in enumerate(_list(told.left.value(METRICS, "worst_cases"))):
        if isinstance(row, dict):
            case = told.case(clean(row.get("case_id")))
            rows.append([case, told.value(METRICS, "worst_cases", number, name)])
    return rows


def _corruptions(told: Told) -> list[list[Markup]]:
    """A row for each corruption: its name, its unit, the severity at which each label breaks."""
    rows = []
    for name, row in sorted(_dict(told.left.value(ROBUSTNESS, "corruptions")).items()):
        breaks = _dict(_dict(row).get("breaks_at"))
        place = ("corruptions", name, "breaks_at")
        cells = []
        for label in _labels(told.left):
            severity = breaks.get(label)
            text = "not up to the highest" if severity is None else None
            cells.append(told.value(ROBUSTNESS, *place, label, text=text) if label in breaks else Markup(""))
        rows.append([told.linked(ROBUSTNESS, "corruptions", name, text=name.replace("_", " ")), *cells])
    return rows


# For a reviewer


def _status(text: str, link: Markup) -> Markup:
    return Markup('<span class="{}">{}</span>').format("good" if text in GOOD else "bad", link)


def _reasons(told: Told) -> list[list[Markup]]:
    rows = []
    for number, row in enumerate(_list(told.left.value(TRACED, "gaps"))):
        item = clean(_dict(row).get("item"))
        page = "evidence/risks.html" if item.startswith("HAZ-") else "evidence/verification.html"
        known = page in told.pages and item.replace("-", "").isalnum()
        rows.append(
            [
                told.to(f"{page}#{item}", item) if known else escape(item),
                told.value(TRACED, "gaps", number, "gap"),
            ]
        )
    return rows


def _criteria(told: Told) -> list[list[Markup]]:
    """Requirement, what it is, bound, what is needed, verdict; of the gates where there is no evidence."""
    rows = []
    results = _list(told.left.value(ACCEPTANCE, "results"))
    for number, row in enumerate(results):
        place = ("results", number)
        shown = [told.value(ACCEPTANCE, *place, key) for key in ("requirement", "title", "observed")]
        needed = joined([told.value(ACCEPTANCE, *place, key) for key in ("op", "threshold")], " ")
        verdict = told.value(ACCEPTANCE, *place, "verdict")
        rows.append([*shown, needed, _status(str(_dict(row).get("verdict")), verdict)])
    if results:
        return rows
    for name, row in sorted(_dict(told.left.value(GATES, "requirements")).items()):
        place = ("requirements", name)
        observed, threshold, verdict = (
            told.value(GATES, *place, key) for key in ("observed", "threshold", "verdict")
        )
        rows.append(
            [
                told.linked(GATES, *place, text=name),
                Markup(""),
                observed,
                threshold,
                _status(str(_dict(row).get("verdict")), verdict),
            ]
        )
    return rows


def _verified(told: Told) -> list[tuple[str, Markup]]:
    return _facts(
        told,
        ("requirements", GATES, ("n_requirements",)),
        ("of them verified", GATES, ("n_verified",)),
        ("software, root of its hashes", TRACED, ("software_sha256",)),
        ("files that changed since tests ran", TRACED, ("stale",)),
        ("tests ran as a whole", "evidence/tests.json", ("whole",)),
        ("intended use, as a text", INTENDED, ("status",)),
        ("residual risk, as a text", "evidence/risks.json", ("overall_residual_risk", "text_status")),
    )


def _signature(told: Told) -> list[tuple[str, Markup]]:
    rows = []
    for number in range(len(_list(told.left.value(SIGNED, "signatures")))):
        rows.append(("key that signed", told.value(SIGNED, "signatures", number, "keyid")))
    for path in sorted(told.left.records):
        if path.startswith("keys/"):
            rows += [
                ("key in keys/", told.value(path, "fingerprint_sha256")),
                ("marked as", told.value(path, "trust")),
            ]
    return rows


def _believed(told: Told) -> list[list[Markup]]:
    """Records and fields of the bundle that verify takes as they stand, and why."""
    rows = []
    names = [path.removeprefix("evidence/") for path in told.left.records if path.startswith("evidence/")]
    for name in sorted(names):
        for basis in believed.of(name):
            if basis.level is None:
                fields = "all" if basis.fields == believed.ALL else ", ".join(basis.fields)
                rows.append([told.linked(f"evidence/{name}", text=name), escape(fields), escape(basis.how)])
    return rows
