"""documents: what people read of a bundle.

Rendered from the bundle of this repository, whose records are real, and from copies that were changed.
"""

import copy
import html
import json
import re
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest

from radiotrace.evidence.design import compliance, controls
from radiotrace.evidence.pages import documents, elements, release_status
from radiotrace.evidence.pages import model_card as model_card_page
from tests import browser, projects, submitted

NAMES = {"traceability", "verification", "risks", "sbom", "model_card", "compliance"}
VOID = {"meta", "link", "br"}


@pytest.fixture(scope="module")
def bundle() -> dict:
    found = {
        path.name: json.loads(path.read_text("utf-8"))
        for path in sorted((submitted.folder() / "evidence").glob("*.json"))
    }
    described = controls.load(projects.ROOT / "design", projects.ROOT / "software").negative_controls
    return found | {
        "seeded_faults.json": {
            "schema": "radiotrace-negative-controls/1.0",
            "negative_controls": list(described.values()),
        }
    }


@pytest.fixture(scope="module")
def rendered(bundle) -> dict[str, str]:
    return documents.render(bundle)


@pytest.fixture(scope="module")
def pages(rendered) -> dict[str, "Page"]:
    return {name: Page(text) for name, text in rendered.items() if name.endswith(".html")}


class Page(HTMLParser):
    """A document as a browser reads it: ids, links with their texts, rows of tables by the text of their
    cells, and tags that were left open."""

    def __init__(self, text: str):
        super().__init__()
        self.ids, self.links, self.rows, self.open, self.others, self.texts = [], [], [], [], [], []
        self.link = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.others += [value for key, value in attrs if key in ("src", "srcset", "action", "data", "poster")]
        self.others += [attributes["href"]] if tag == "link" else []
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "br":
            self.handle_data("\n")
        if tag == "a":
            self.link = [attributes["href"], ""]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag == "a":
            self.links.append(tuple(self.link))
            self.link = None

    def handle_data(self, data):
        if "style" in self.open:
            return
        self.texts.append(data)
        if self.link:
            self.link[1] += data
        if self.open and {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def changed(bundle: dict, file: str, **values) -> dict:
    """A bundle with other values at the top of a record."""
    return bundle | {file: copy.deepcopy(bundle[file]) | values}


def verified(bundle: dict) -> dict:
    """A bundle in which everything is verified."""
    traced = copy.deepcopy(bundle["traceability.json"])
    traced |= {"release_blocked": False, "stale": [], "gaps": [], "controls_not_red": [], "unreviewed": {}}
    for row in traced["requirements"].values():
        row |= {
            "status": "verified",
            "reasons": [],
            "negative_controls": dict.fromkeys(row["negative_controls"], "red"),
        }
    for row in traced["user_needs"].values():
        row["status"] = "verified"
    for row in traced["tests"].values():
        row["outcome"] = "passed"
    ran = {
        test: {
            "source_sha256": "5" * 64,
            "verifies": row["verifies"],
            "cases": 3,
            "passed": 3,
            "failed": 0,
            "skipped": 0,
        }
        for test, row in traced["tests"].items()
    }
    noticed = {
        "NC-DATA-1": {
            "control_sha256": "1" * 64,
            "seen_sha256": "2" * 64,
            "requirements": {
                "SRS-DATA-1": {
                    "verdict": "red",
                    "red": ["tests/test_identity.py::test_swapped_contents_are_two_changes"],
                }
            },
        }
    }
    return bundle | {
        "traceability.json": traced,
        "tests.json": bundle["tests.json"] | {"whole": True, "tests": ran},
        "negative_controls.json": {"controls": noticed},
    }


def row_of(page: Page, name: str, column: int = 0) -> list[str]:
    """The first row of a table whose cell begins with a name."""
    return next(
        row
        for row in page.rows
        if len(row) > column and re.match(rf"{re.escape(name)}(?![\w-])", row[column])
    )


def test_each_document_is_there_as_html_and_as_markdown(rendered):
    assert rendered.keys() == {f"{name}.{kind}" for name in NAMES for kind in ("html", "md")}


def test_the_same_bundle_gives_the_same_bytes(bundle, rendered):
    def turned(value):  # keys the other way round, as in a record that was not read from its file
        if isinstance(value, dict):
            return {key: turned(value[key]) for key in reversed(value)}
        return [turned(one) for one in value] if isinstance(value, list) else value

    assert documents.render(turned(bundle)) == rendered


def test_rendering_changes_no_record(bundle):
    before = copy.deepcopy(bundle)
    documents.render(bundle)
    assert bundle == before


def test_html_is_well_nested_and_every_id_stands_once_in_its_document(pages):
    for page in pages.values():
        assert page.open == []
        assert len(page.ids) == len(set(page.ids))


def test_nothing_is_loaded(pages, rendered):
    assert {one for page in pages.values() for one in page.others} == {"data:,"}
    assert not any(
        re.search(
            r"<script"
            r"|<iframe|@import|url\(|\son\w+=",
            text,
        )
        for name, text in rendered.items()
        if name.endswith(".html")
    )


def test_every_link_leads_to_an_anchor_of_these_documents_or_to_a_value_of_the_bundle(pages, bundle):
    seen = set()
    for name, page in pages.items():
        for target, _ in page.links:
            file, _, place = target.partition("#")
            seen.add(file)
            if file.endswith(".json"):
                compliance.resolve(bundle[file], unquote(place))
            elif place:
                assert unquote(place) in pages[file or name].ids, target
            else:
                assert file in pages
    assert {
        "",
        "verification.html",
        "risks.html",
        "traceability.html",
        "acceptance.json",
        "metrics.json",
        "split.json",
    } <= seen


def test_a_link_to_a_number_shows_the_number(pages, bundle):
    found = 0
    for page in pages.values():
        for target, text in page.links:
            file, _, place = target.partition("#")
            value = compliance.resolve(bundle[file], unquote(place)) if file.endswith(".json") else None
            if (
                isinstance(value, (int, float))
                and not isinstance(value, bool)
                and not place.startswith("/rows")
            ):
                number = float(text.replace("−", "-"))
                assert number == pytest.approx(value, rel=6e-4, abs=1e-12)  # four digits
                found += 1
    assert found > 100


def test_every_requirement_is_a_row_of_the_matrix_with_its_status(pages, bundle):
    for name, row in bundle["traceability.json"]["requirements"].items():
        cells = row_of(pages["traceability.html"], name, 1)
        assert row["title"] in cells[1]
        assert cells[-1].startswith(row["status"])
        assert cells[2] == row["owner"]
        assert all(control in cells[5] for control in row["negative_controls"])
        assert all(test.removeprefix("tests/") in cells[4] for test in row["tests"])


def test_every_requirement_is_a_section_of_the_report_with_its_statement(pages, bundle):
    page = pages["verification.html"]
    text = "".join(page.texts)
    for one in bundle["requirements.json"]["requirements"]:
        assert one["id"] in page.ids
        assert one["statement"] in text


@pytest.mark.parametrize(
    ("name", "file", "key"),
    [
        ("traceability.html", "traceability.json", "user_needs"),
        ("traceability.html", "traceability.json", "tests"),
        ("risks.html", "risks.json", "hazards"),
        ("risks.html", "risks.json", "controls"),
    ],
)
def test_everything_that_has_an_id_has_its_anchor(pages, bundle, name, file, key):
    assert set(bundle[file][key]) <= set(pages[name].ids)


def test_every_fault_stands_with_what_it_is_and_what_noticed_it(bundle):
    page = Page(documents.render(verified(bundle))["verification.html"])
    for one in bundle["seeded_faults.json"]["negative_controls"]:
        assert one["what"] in row_of(page, one["id"])[1]
    assert "test_swapped_contents_are_two_changes" in row_of(page, "NC-DATA-1")[4]
    assert row_of(page, "NC-DATA-2")[4] == "nothing yet"


def test_a_bundle_without_the_faults_says_where_they_are_described(bundle):
    without = {name: record for name, record in bundle.items() if name != "seeded_faults.json"}
    assert (
        row_of(Page(documents.render(without)["verification.html"]), "NC-DATA-1")[1]
        == "described in negative_controls.yaml"
    )


def test_every_gap_is_a_row(bundle):
    gaps = [
        {"item": "SRS-DATA-1", "gap": "the item is suspect"},
        {"item": "UN-4", "gap": "no requirement meets this need"},
    ]
    page = Page(documents.render(changed(bundle, "traceability.json", gaps=gaps))["traceability.html"])
    assert all([gap["item"], gap["gap"]] in page.rows for gap in gaps)


def test_a_release_that_is_blocked_is_said_at_the_top_of_every_document(bundle, rendered):
    blocked = documents.render(changed(bundle, "traceability.json", release_blocked=True))
    free = documents.render(verified(bundle))
    for name in rendered:
        first = "<h2" if name.endswith(".html") else "\n## "
        assert "The release is blocked:" in blocked[name].split(first)[0]
        assert "Nothing blocks the release:" in free[name].split(first)[0]
        assert "is blocked" not in free[name].split(first)[0]


def test_every_document_says_the_sentence_that_the_command_line_says(bundle):
    waiting = {"SRS-SEG-1": "suspect"}
    gaps = [
        {"item": "SRS-SEG-1", "gap": "not verified: a test failed"},
        {"item": "HAZ-1", "gap": "residual risk is not acceptable: high"},
        {"item": "HAZ-2", "gap": "residual risk is not acceptable: high"},
    ]
    mixed = verified(bundle)
    mixed["traceability.json"] |= {"release_blocked": True, "gaps": gaps, "unreviewed": waiting}
    for made in (mixed, verified(bundle)):
        sentence = release_status.sentence(made["traceability.json"])
        for name, text in documents.render(made).items():
            if name.endswith(".html"):
                assert sentence in " ".join("".join(Page(text).texts).split()), name
            else:
                assert sentence in re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text.replace("**", "")), name


def traced(**values) -> dict:
    """A record 'traceability' as far as a sentence on it goes."""
    free = {"release_blocked": True, "requirements": {}, "gaps": [], "stale": []}
    return free | values


def test_what_blocks_the_release_is_counted():
    rows = {"SRS-A-1": {"status": "not verified"}, "SRS-A-2": {"status": "verified"}}
    gaps = [
        "not verified: a test failed",
        "residual risk is not acceptable: high",
        "residual risk is not acceptable: medium",
        "the item is suspect",
        "they ran in part only: 'make verification'",
        "no requirement meets this need",
    ]
    record = traced(requirements=rows, gaps=[{"item": "X", "gap": gap} for gap in gaps], stale=["tests/a.py"])
    assert release_status.sentence(record) == (
        "The release is blocked: 1 of 2 requirements is not verified, 2 risks are not acceptable, the tests "
        "did not run as a whole, 1 file changed after the tests ran, 1 item is not reviewed and 1 other gap "
        "is open."
    )
    assert release_status.gaps_in_words(record) == "all 6 gaps"


def test_a_release_that_a_risk_alone_blocks_is_blocked_by_it():
    gap = {"item": "HAZ-1", "gap": "residual risk is not acceptable: high"}
    assert release_status.sentence(traced(gaps=[gap])) == "The release is blocked: 1 risk is not acceptable."


def test_a_release_that_is_blocked_without_a_reason_is_not_called_free():
    assert release_status.sentence(traced()) == "The release is blocked: no reason is given."


def test_a_release_that_nothing_blocks_is_left_to_people():
    rows = {"SRS-A-1": {"status": "verified"}, "SRS-A-2": {"status": "verified"}}
    assert release_status.sentence(traced(release_blocked=False, requirements=rows)) == (
        "Nothing blocks the release: all 2 requirements are verified. Whether to release is for people to "
        "decide."
    )


def test_drafts_are_named_until_they_are_approved(bundle):
    assert "intended_use.json" in [
        span.text for span in documents.drafts(changed(bundle, "intended_use.json", status="draft"))
    ]
    assert "intended_use.json" not in [
        span.text for span in documents.drafts(changed(bundle, "intended_use.json", status="approved"))
    ]


def test_hazards_that_are_not_acceptable_come_first(bundle):
    risks = copy.deepcopy(bundle["risks.json"])
    for name, hazard in risks["hazards"].items():
        hazard["acceptable"] = name not in ("HAZ-3", "HAZ-12")
    page = Page(documents.render(bundle | {"risks.json": risks})["risks.html"])
    order = [name for name in page.ids if name.startswith("HAZ-")]
    assert order[:3] == ["HAZ-3", "HAZ-12", "HAZ-1"]


def test_a_component_without_a_licence_is_unknown_and_not_left_out(bundle):
    bill = copy.deepcopy(bundle["sbom.runtime.cdx.json"])
    for key in ("licenses", "supplier", "hashes"):
        bill["components"][0].pop(key, None)
    page = Page(documents.render(bundle | {"sbom.runtime.cdx.json": bill})["sbom.html"])
    cells = row_of(page, bill["components"][0]["name"])
    assert [cells[2], cells[3], cells[6]] == ["unknown"] * 3
    # three tables, each with its head
    assert sum(len(row) == 7 for row in page.rows) - 3 == len(bill["components"])


def test_vulnerabilities_that_nobody_looked_up_are_not_assessed(pages):
    assert "not-assessed. Entries: 0. Nothing was looked up" in "".join(pages["sbom.html"].texts)


def test_standards_are_counted_and_never_called_met(pages, rendered, bundle):
    page = pages["compliance.html"]
    for name, record in bundle.items():
        if name.startswith("compliance_"):
            cells = next(row for row in page.rows if row and row[0] == record["title"])
            assert cells[3:] == [str(record["counts"][status]) for status in compliance.STATUSES] + [
                str(record["n_rows"])
            ]
            assert cells[2] == record["numbering"]
    assert not any(re.search(r"\bcomplian(t|ce with)\b", text, re.IGNORECASE) for text in rendered.values())


def test_text_of_records_is_no_markup(bundle):
    evil = "<script>alert(1)</script> & [a](http://b) | **c**"
    risks = copy.deepcopy(bundle["risks.json"])
    risks["hazards"]["HAZ-1"] |= {"title": evil, "situation": evil}
    texts = documents.render(bundle | {"risks.json": risks})
    assert "<script>" not in texts["risks.html"] + texts["risks.md"]
    assert html.escape(evil, quote=False) in texts["risks.html"]
    assert r"&lt;script&gt;alert(1)&lt;/script&gt; &amp; \[a\](http://b) \| \*\*c\*\*" in texts["risks.md"]


def test_rows_of_a_markdown_table_have_as_many_cells_as_its_head(rendered):
    for name in (name for name in rendered if name.endswith(".md")):
        width, tables = None, 0
        for line in rendered[name].split("\n"):
            if not line.startswith("|"):
                width = None
                continue
            cells = len(re.findall(r"(?<!\\)\|", line))
            tables += width is None
            width = width or cells
            assert cells == width, line[:80]
        assert tables > 2


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "unknown"),
        (True, "yes"),
        (-0.93615, "−0.9362"),
        (0.85, "0.85"),
        (-5, "−5"),
        (123456.7, "123457"),
        ([], "none"),
        (["a", "b"], "a, b"),
    ],
)
def test_values_for_people(value, text):
    assert elements.in_words(value) == text


def test_a_value_that_is_nowhere_is_an_error(bundle):
    with pytest.raises(LookupError):
        elements.Records(bundle).show("split", "counts", "nowhere")


def test_a_row_that_leads_to_its_record_leads_there_once():
    first, inside = (
        elements.Span("HAZ-1", "risks.json#/hazards/HAZ-1"),
        elements.Span("x", "risks.json#/hazards/HAZ-1/title"),
    )
    outside = elements.Span("y", "a.json#/b")
    # another hazard, whose id only begins alike
    beside = elements.Span("z", "risks.json#/hazards/HAZ-10")
    row = elements.table("", ("a", "b", "c", "d"), [(first, inside, outside, beside)]).rows[0]
    assert [cell[0][0].source for cell in map(elements.lines, row.cells)] == [
        first.source,
        "",
        outside.source,
        beside.source,
    ]


# 686 and 1,100 kB for 161 tests of requirements
def test_documents_stay_small(rendered, bundle):
    n_tests = len(bundle["traceability.json"]["tests"])
    assert n_tests > 100
    assert (
        sum(len(text.encode()) for name, text in rendered.items() if name.endswith(".html"))
        < 300_000 + 2_400 * n_tests
    )
    assert sum(len(text.encode()) for text in rendered.values()) < 520_000 + 3_600 * n_tests


# In a browser


@pytest.fixture(scope="module")
def folder(rendered, tmp_path_factory):
    """Every document as a file."""
    made = tmp_path_factory.mktemp("documents")
    for name, text in rendered.items():
        (made / name).write_text(text, "utf-8")
    return made


@pytest.fixture(scope="module")
def shown(folder):
    """A browser with one of them."""
    with browser.opened(folder / "traceability.html") as opened:
        yield opened


@pytest.mark.slow
def test_a_browser_shows_every_document_at_every_width_and_asks_for_nothing(shown, folder):
    for path in sorted(folder.glob("*.html")):
        shown.requests.clear()
        shown.page.goto(path.as_uri(), wait_until="load")
        assert [url for url in shown.requests if not url.startswith("data:")] == [path.as_uri()]
        # wide tables scroll by themselves
        assert [shown.overflow(width) for width in (1280, 800, 390)] == [0, 0, 0], path.name
    assert shown.errors == []


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_document_is_accessible(shown, folder, name):
    shown.page.set_viewport_size({"width": 1280, "height": 900})
    shown.page.goto((folder / f"{name}.html").as_uri(), wait_until="load")
    assert shown.misfits() == []


@pytest.mark.slow
def test_on_a_phone_a_row_of_a_wide_table_is_a_block_whose_cells_say_what_they_are(shown, folder):
    page = shown.page
    page.set_viewport_size({"width": 390, "height": 900})
    page.goto((folder / "risks.html").as_uri(), wait_until="load")
    assert page.evaluate(
        "[...document.querySelectorAll('.stack td')].every((one) => one.getBoundingClientRect().right <= 390)"
    )
    label = "getComputedStyle(document.querySelector('#HAZ-1 td:nth-child(2)'), '::before').content"
    assert page.evaluate(label) == '"situation and harm: "'
    assert shown.misfits() == []
    page.set_viewport_size({"width": 1280, "height": 900})
    assert page.evaluate(label) == "none"


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(NAMES))
def test_on_paper_every_column_of_a_document_is_there_and_no_navigation(shown, folder, name):
    shown.page.goto((folder / f"{name}.html").as_uri(), wait_until="load")
    is_wide = "A4 landscape" in (folder / f"{name}.html").read_text("utf-8")
    paper = shown.on_paper(browser.LANDSCAPE if is_wide else browser.PORTRAIT, hidden="nav, .skip")
    assert paper.cut_off == []
    assert paper.not_hidden == []
    assert paper.n_sheets > 1


@pytest.mark.slow
def test_the_first_key_leads_to_the_document_and_the_next_ones_to_what_scrolls(shown, folder):
    page = shown.page
    page.goto((folder / "traceability.html").as_uri())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().top") >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "document"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "scroll"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def told_on_the_card(entry: dict) -> str:
    return "".join(span.text for span in model_card_page._entry_line(entry, "intended_use.json#/x"))


def test_an_entry_of_the_model_card_begins_with_what_it_is_of_and_leaves_out_what_is_null():
    assert (
        told_on_the_card({"unit": None, "what": "label map", "formats": [".nii", ".mha"]})
        == "what: label map; formats: .nii, .mha"
    )


def test_sentences_of_an_entry_follow_each_other_and_an_empty_list_says_none():
    assert (
        told_on_the_card({"must_know": ["Look at it.", "Do not trust it."]})
        == "must know: Look at it. Do not trust it."
    )
    assert told_on_the_card({"not_checked": []}) == "not checked: none"
