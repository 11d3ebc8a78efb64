"""The site: pages of what a run left, whose links resolve, and which say what is missing."""

import argparse
import html
import json
import re
import shutil
from pathlib import Path
from urllib.parse import unquote

import pytest

from radiotrace.commands import site as command
from radiotrace.errors import StageError
from radiotrace.evidence.pages import documents, release_status
from radiotrace.site import build, curves, left, record_pages, single, summary
from tests import browser, submitted

RUN = "ab12" * 16
HOSTILE = '<script>alert("x")</script> & \' é'
SUMMARY = {"mean": 0.8125, "ci95_low": 0.75, "ci95_high": 0.875, "no_interval": None}
RECORDS = {
    "metrics/metrics.json": {
        "run_id": RUN,
        "part": "test",
        "n_cases": 3,
        "n_subjects": 2,
        "measures": [{"name": "dice", "title": "Dice", "better": "larger"}],
        "dice": {HOSTILE: SUMMARY, "mean_of_labels": SUMMARY},
        "worst_cases": [{"case_id": "case_2", "dice": 0.25}, {"case_id": HOSTILE, "dice": 0.5}],
        "subgroups": {
            "site": {
                "a/b~c %41": {
                    "gap": -0.125,
                    "gap_simultaneous95_low": None,
                    "gap_no_interval": "fewer than 10 subjects",
                }
            }
        },
    },
    "metrics/cases.json": {
        "run_id": RUN,
        "cases": [{"case_id": f"case_{n}", "labels": {"x": {"dice": n / 256}}} for n in range(200)],
    },
    "metrics/gates.json": {
        "run_id": RUN,
        "n_requirements": 5,
        "n_verified": 3,
        "release_blocked": True,
        "requirements": {},
    },
    "build/train/train.json": {
        "run_id": RUN,
        "params": {"epochs": 2, "loss": HOSTILE},
        "history": [
            {
                "epoch": 1,
                "train_loss": 1.5,
                "learning_rate": 0.5,
                "validation_dice": {HOSTILE: None, "x": 0.25},
            },
            {
                "epoch": 2,
                "train_loss": 0.5,
                "learning_rate": 0.25,
                "validation_dice": {HOSTILE: 0.5, "x": 0.75},
            },
        ],
    },
}
INTENDED_USE = """
name: Phantom study
notice: Research software; not for diagnosis.
population: {evaluated_on: Three cubes., unknown: [age, sex]}
limits: [Known of cubes alone.]
must_not_be_used: ['For spheres.']
"""
EVIDENCE = {
    "acceptance.json": {
        "run_id": RUN,
        "results": [
            {
                "requirement": "SRS-SEG-1",
                "title": "Dice of cubes",
                "observed": 0.75,
                "op": ">=",
                "threshold": 0.9,
                "verdict": "not met",
            },
            {"requirement": "SRS-SEG-2", "title": "Dice of spheres", "verdict": "met"},
            {"requirement": "SRS-SEG-3", "title": "Dice of cones", "verdict": "post-hoc"},
        ],
    },
    "traceability.json": {
        "run_id": RUN,
        "release_blocked": True,
        "requirements": {"SRS-SEG-1": {"status": "not verified"}, "SRS-SEG-2": {"status": "verified"}},
        "gaps": [{"item": "SRS-SEG-1", "gap": "not verified: criterion not met"}],
        "stale": [],
        "a b%": {"x": 1},
    },
}
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>T</title>
<style>body { color: #222 } h1 { margin: 0 }</style></head>
<body><header><h1>{title}</h1></header>{body}</body></html>
"""
VERIFICATION = (
    '<h2 id="SRS-SEG-1">SRS-SEG-1</h2><p><a href="acceptance.json#/results/0/observed">0.75</a> '
    '<a href="traceability.json#/a%20b%/x">1</a> <a href="nowhere.json#/x">gone</a></p>'
)
CASE = (
    '<p><a href="../index.html#cases">Report</a> <output id="shown">no</output><img alt="" src="dot.svg"></p>'
    "<script>document.getElementById('shown').textContent = 'yes';</script>"
)
DOT = b'<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"><rect width="4" height="4"/></svg>'


def page(title: str, body: str) -> str:
    return PAGE.replace("{title}", title).replace("{body}", body)


def study(folder: Path, whole: bool = True) -> Path:
    """A study in which a run left what is above."""
    for name, record in RECORDS.items():
        write(folder / name, json.dumps(record))
    if whole:
        write(folder / "design/intended_use.yaml", INTENDED_USE)
        for name, record in EVIDENCE.items():
            write(folder / "evidence" / name, json.dumps(record))
        write(folder / "evidence/verification.html", page("Verification", VERIFICATION))
        write(folder / "evidence/note.md", HOSTILE)
        link = '<h2 id="cases">Cases</h2><a href="cases/case_2.html">case_2</a>'
        write(folder / "build/report/index.html", page("Report", link))
        write(folder / "build/report/cases/case_2.html", page("Case 2", CASE))
        (folder / "build/report/cases/dot.svg").write_bytes(DOT)
    return folder


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def made(folder: Path) -> dict[str, str]:
    """Path in the site -> text of each page."""
    content = build.site(left.read(folder)).content()
    return {path: text.decode() for path, text in content.items() if path.endswith(".html")}


def unresolved(pages: dict[str, str]) -> list[str]:
    """Links that lead nowhere."""
    ids = {
        path: {html.unescape(name) for name in re.findall(r'\sid="([^"]*)"', text)}
        for path, text in pages.items()
    }
    wrong = []
    for path, text in pages.items():
        for address in map(html.unescape, re.findall(r'<a\b[^>]*?\shref="([^"]*)"', text)):
            file, _, fragment = address.partition("#")
            target = (Path("/") / path).parent / unquote(file) if file else Path("/") / path
            name = Path(*target.parts[1:]).as_posix() if ".." not in target.parts else _flat(target)
            if name not in pages or (fragment and fragment not in ids[name]):
                wrong.append(f"{path}: {address}")
    return wrong


def _flat(target: Path) -> str:
    parts: list[str] = []
    for part in target.parts[1:]:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def test_every_link_leads_to_a_page_and_an_anchor_of_the_site(tmp_path):
    pages = made(study(tmp_path))
    assert unresolved(pages) == []
    # a link of the evidence to a value leads to the page of its record, also where a key is not plain
    verification = pages["evidence/verification.html"]
    assert 'href="../records/evidence/acceptance.json.html#/results/0/observed"' in verification
    assert 'href="../records/evidence/traceability.json.html#/a%20b%25/x"' in verification
    assert 'data-not-in-the-site="nowhere.json#/x"' in verification


def test_every_value_of_a_record_has_its_pointer_as_an_anchor():
    value = {"a/b": [1, {"c~d": None}], "e f": {"": "x"}}
    ids = re.findall(r'id="([^"]*)"', record_pages.tree(value))
    assert ids == ["/a~1b", "/a~1b/0", "/a~1b/1", "/a~1b/1/c~0d", "/e%20f", "/e%20f/"]
    assert [record_pages.quoted(place) for place in record_pages.anchors(value)] == ids


def test_the_summary_answers_in_values_that_lead_to_their_records(tmp_path):
    text = made(study(tmp_path))["index.html"]
    assert 'href="records/metrics/metrics.json.html#/dice/mean_of_labels/mean">0.8125</a>' in text
    assert '<a href="report/cases/case_2.html">case_2</a>' in text
    for words in (
        "Three cubes.",
        "age, sex",
        "For spheres.",
        "Known of cubes alone.",
        "The release is blocked: 1 of 2 requirements is not verified.",
    ):
        assert words in text
    assert 'href="evidence/verification.html#SRS-SEG-1">SRS-SEG-1</a>' in text
    assert 'href="records/metrics/gates.json.html#/n_verified">3</a>' in text


def lines_of(left_here: left.Left, question: str) -> list[str]:
    """Items of the answer to a clinician's question that stand open, as text."""
    answers = dict(summary.of(left_here, "index.html", []).answers)
    shown = re.sub(r"<details>.*?</details>", "", str(answers[question]), flags=re.DOTALL)
    return [html.unescape(re.sub(r"<[^>]*>", "", item)) for item in re.findall(r"<li>(.*?)</li>", shown)]


def test_where_it_fails_is_a_few_lines_and_the_rest_is_folded(tmp_path):
    metrics = RECORDS["metrics/metrics.json"] | {
        "volume_error_absolute_percent": {
            "mean_of_labels": {"mean": 9.0},
            "a": {"mean": 4.0},
            "b": {"mean": 6.5},
        },
        "volume_agreement": {"b": {"slope": {"ci95_low": -0.5, "ci95_high": -0.125}}},
        "uncertainty": {"dropout": {"auroc": {"ci95_low": 0.5}}},
    }
    folder = study(tmp_path)
    write(folder / "metrics/metrics.json", json.dumps(metrics))
    found = left.read(folder)
    assert lines_of(found, "Where does it fail?") == [
        f"It did worst on case_2 (0.25), {HOSTILE} (0.5), by Dice.",
        "In a single case the volume of b is off by 6.5 % on average, up or down; large ones tend to come "
        "out too small, and small ones too large.",
        "It was not shown to notice by itself which cases it got wrong: a case that it does not flag may be "
        "wrong too.",
        "It was shown to reach 1 of 3 goals. 1 more does not count: it was decided on only after the test "
        "cases had been looked at.",
    ]
    text = str(dict(summary.of(found, "index.html", []).answers)["Where does it fail?"])
    assert "<summary>Known limits (1)</summary><ul><li>Known of cubes alone.</li></ul>" in text
    assert "<li>Dice of cubes: not reached</li><li>Dice of cones: decided on too late (post-hoc)</li>" in text


def test_an_uncertainty_that_finds_poor_cases_is_no_failure(tmp_path):
    metrics = RECORDS["metrics/metrics.json"] | {"uncertainty": {"dropout": {"auroc": {"ci95_low": 0.51}}}}
    folder = study(tmp_path)
    write(folder / "metrics/metrics.json", json.dumps(metrics))
    assert not any("notice by itself" in line for line in lines_of(left.read(folder), "Where does it fail?"))


@pytest.mark.parametrize(
    ("low", "high", "words"), [(-0.25, 0.125, "which may be chance"), (-0.25, -0.125, "more than chance")]
)
def test_a_gap_of_a_group_is_told_with_what_chance_may_do(tmp_path, low, high, words):
    group = {"gap": -0.125, "gap_simultaneous95_low": low, "gap_simultaneous95_high": high}
    metrics = RECORDS["metrics/metrics.json"] | {"subgroups": {"site": {"a": group}}}
    folder = study(tmp_path)
    write(folder / "metrics/metrics.json", json.dumps(metrics))
    assert words in str(
        dict(summary.of(left.read(folder), "index.html", []).answers)["On whom is that known?"]
    )


def test_the_summary_says_of_the_release_what_the_documents_say():
    found = left.Left(
        {summary.TRACED: left.Record(summary.TRACED, submitted.json_of("evidence/traceability.json"), "")}
    )
    made = summary.of(found, "index.html", [])
    assert made.status == release_status.sentence(submitted.json_of("evidence/traceability.json"))


def test_names_and_texts_are_escaped_on_every_page(tmp_path):
    folder = study(tmp_path)
    content = build.site(left.read(folder))
    for text in (*made(folder).values(), single.single(content).decode()):
        assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in made(folder)["index.html"]


def test_what_is_missing_is_said(tmp_path):
    text = made(study(tmp_path, whole=False))["index.html"]
    for words in (
        "build/report/index.html",
        "build/report/cases/",
        "evidence/, which",
        "design/intended_use.yaml",
    ):
        assert words in text
    assert "Report and cases: not there yet" in text
    assert "there is no evidence yet" in text
    assert "The evidence is not signed." in text


def test_records_of_another_run_are_named(tmp_path):
    folder = study(tmp_path)
    write(folder / "metrics/robustness.json", json.dumps({"run_id": "cd34" * 16}))
    text = made(folder)["index.html"]
    assert "of another run than the rest" in text
    assert 'href="records/metrics/robustness.json.html#/run_id">metrics/robustness.json</a>' in text


def test_without_a_run_there_is_one_error_with_the_way_out(tmp_path):
    with pytest.raises(StageError, match="there is no run to make a site of") as error:
        left.read(tmp_path)
    assert "dvc pull" in error.value.way_out


def test_files_that_cannot_be_read_are_all_named(tmp_path):
    folder = study(tmp_path)
    write(folder / "metrics/gates.json", "{")
    write(folder / "evidence/traceability.json", "[" * 200 + "]" * 200)
    write(folder / "evidence/verification.html", "cut off")
    with pytest.raises(StageError) as error:
        left.read(folder)
    named = [fault.split(":")[0] for fault in error.value.findings]
    assert named == ["metrics/gates.json", "evidence/traceability.json", "evidence/verification.html"]


def test_two_studies_at_two_places_give_the_same_bytes(tmp_path):
    sites = [build.site(left.read(study(tmp_path / name))) for name in ("a", "b/c")]
    assert sites[0].content() == sites[1].content()
    assert single.single(sites[0]) == single.single(sites[1])


def test_another_run_stands_on_the_same_axes_with_what_differs(tmp_path):
    found = left.read(study(tmp_path))
    record = json.loads(json.dumps(RECORDS["build/train/train.json"])) | {"run_id": "other"}
    record["params"]["epochs"] = 3
    other = curves.history("main", "build/train/train.json", record, "c0ffee")
    text = build.site(found, [other]).content()["curves.html"].decode()
    assert "of commit <code>c0ffee</code>" in text
    assert re.search(r"<td>epochs</td><td>2</td><td>3</td>", text)
    assert curves.chart([curves.of_left(found), other], "dice") != curves.chart([other], "dice")
    assert "main, first to last of 2 epochs: training loss 1.5 to 0.5" in text


def test_a_folder_has_the_pages_of_the_last_run_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(study(tmp_path))
    args = argparse.Namespace(against=[], single=False)
    command.site(args)
    assert (tmp_path / "build/site/evidence/verification.html").is_file()
    shutil.rmtree(tmp_path / "evidence")
    command.site(args)
    assert not (tmp_path / "build/site/evidence").exists()
    assert "not there yet: evidence/" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "build").iterdir()) == ["report", "site", "train"]


def test_the_site_is_no_record_of_itself(tmp_path, monkeypatch):
    monkeypatch.chdir(study(tmp_path))
    command.site(argparse.Namespace(against=[], single=False))
    first = build.site(left.read(tmp_path)).content()
    write(tmp_path / "build/site/more.json", "{}")
    assert build.site(left.read(tmp_path)).content() == first


# In a browser


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    """The browser of this file: there can be only one at a time."""
    blank = tmp_path_factory.mktemp("blank") / "blank.html"
    write(blank, page("Nothing yet", ""))
    with browser.opened(blank) as shown:
        yield shown


@pytest.fixture(scope="module")
def opened(chromium, tmp_path_factory):
    """A browser's page, the folder of a site and its single file, what was asked for, and what went wrong."""
    folder = study(tmp_path_factory.mktemp("study"))
    site = build.site(left.read(folder))
    written(site, folder / "site")
    (folder / "site.html").write_bytes(single.single(site))
    return chromium.page, folder, chromium.requests, chromium.errors


def written(site: build.Site, folder: Path) -> None:
    for name, content in site.content().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


@pytest.mark.slow
def test_no_page_asks_for_anything_elsewhere_or_is_wider_than_its_window(opened):
    shown, folder, requests, errors = opened
    requests.clear()
    for path in (*sorted((folder / "site").rglob("*.html")), folder / "site.html"):
        shown.goto(path.as_uri(), wait_until="load")
        for width in (1280, 390):
            shown.set_viewport_size({"width": width, "height": 900})
            assert shown.evaluate("document.documentElement.scrollWidth") <= width, (path.name, width)
    home = (folder / "site").as_uri()
    assert [url for url in requests if not url.startswith((home, "data:"))] == []
    assert errors == []


@pytest.mark.slow
def test_the_first_key_leads_past_the_navigation_of_every_kind_of_page(opened):
    shown, folder, _, _ = opened
    for name in ("index.html", "report/cases/case_2.html", "evidence/verification.html"):
        shown.goto((folder / "site" / name).as_uri())
        shown.keyboard.press("Tab")
        assert shown.evaluate("document.activeElement.className") == "rt-skip"
        assert shown.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
        shown.keyboard.press("Enter")
        assert shown.evaluate("document.activeElement.id") == "rt-content"


@pytest.mark.slow
def test_a_link_into_a_folded_record_opens_it(opened):
    shown, folder, _, _ = opened
    path = folder / "site/records/metrics/cases.json.html"
    shown.goto(path.as_uri())
    assert not shown.evaluate("document.querySelector('details').open")
    shown.goto(f"{path.as_uri()}#/cases/150/labels/x/dice")
    assert shown.evaluate("document.querySelector('details').open")
    assert shown.evaluate("document.querySelector(':target').checkVisibility()")


@pytest.mark.slow
def test_one_file_shows_a_page_at_a_time_whose_links_and_scripts_work(opened):
    shown, folder, _, errors = opened
    shown.goto("about:blank")
    shown.goto((folder / "site.html").as_uri())
    visible = """[...document.querySelectorAll(".page")].filter((page) => page.checkVisibility())
        .map((page) => page.id)"""
    assert shown.evaluate(visible) == ["index.html"]
    shown.click(".shown a:has-text('case_2')")
    assert shown.evaluate(visible) == ["report/cases/case_2.html"]
    assert shown.inner_text(".shown output") == "yes"
    shown.click(".shown a:has-text('Report')")
    assert shown.evaluate(visible) == ["report/index.html"]
    wrong = """[...document.querySelectorAll('a[href^="#"]')]
        .map((link) => link.getAttribute("href").slice(1)).filter((id) => !document.getElementById(id))"""
    assert shown.evaluate(wrong) == []
    assert errors == []


# The submitted run in a browser, its documents as this code renders them


@pytest.fixture(scope="module")
def of_run(chromium, tmp_path_factory):
    """A browser, and the folder of the site."""
    folder = tmp_path_factory.mktemp("submitted")
    for name in ("metrics", "evidence", "design"):
        shutil.copytree(submitted.folder() / name, folder / name)
    for name, stored in submitted.stored().items():
        if name.startswith("build/report/") or name == left.TRAIN:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(stored, folder / name)
    records = {
        path.name: json.loads(path.read_text("utf-8")) for path in (folder / "evidence").glob("*.json")
    }
    for name, text in documents.render(records).items():
        write(folder / "evidence" / name, text)
    written(build.site(left.read(folder)), folder / "site")
    return chromium, folder / "site"


CASE_PAGE = "report/cases/hippocampus_330.html"
OF_EACH_KIND = (
    "index.html",
    "curves.html",
    "report/index.html",
    CASE_PAGE,
    "evidence/traceability.html",
    "evidence/risks.html",
    "records/index.html",
    "records/metrics/metrics.json.html",
)
FOR_SCREENS = ".rt-links, .rt-crumbs, .rt-skip, nav, .skip, .controls"


# axe takes half a minute for the matrix, which tests/test_documents.py has: the frame is the same
@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in OF_EACH_KIND if "traceability" not in name])
def test_a_page_of_each_kind_is_accessible(of_run, name):
    shown, folder = of_run
    shown.page.set_viewport_size({"width": 1280, "height": 900})
    shown.page.goto((folder / name).as_uri(), wait_until="load")
    assert shown.misfits() == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["index.html", "curves.html", CASE_PAGE, "evidence/risks.html"])
def test_a_page_is_accessible_on_a_phone(of_run, name):
    shown, folder = of_run
    shown.page.set_viewport_size({"width": 390, "height": 900})
    shown.page.goto((folder / name).as_uri(), wait_until="load")
    assert shown.misfits() == []


@pytest.mark.slow
def test_no_page_of_a_run_is_wider_than_its_window(of_run):
    shown, folder = of_run
    pages = sorted(path for path in folder.rglob("*.html") if path.parent.name != "cases")
    for path in (*pages, folder / CASE_PAGE):
        shown.page.goto(path.as_uri(), wait_until="load")
        assert [shown.overflow(width) for width in (1280, 390)] == [0, 0], path.name


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_EACH_KIND)
def test_on_paper_nothing_is_cut_off_and_there_is_no_navigation(of_run, name):
    shown, folder = of_run
    shown.page.goto((folder / name).as_uri(), wait_until="load")
    is_wide = "A4 landscape" in (folder / name).read_text("utf-8")
    paper = shown.on_paper(browser.LANDSCAPE if is_wide else browser.PORTRAIT, hidden=FOR_SCREENS)
    assert paper.cut_off == []
    assert paper.not_hidden == []
    assert paper.n_sheets > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_EACH_KIND)
def test_a_page_says_once_what_it_is_not_for_and_leads_once_to_the_others(of_run, name):
    shown, folder = of_run
    shown.page.goto((folder / name).as_uri(), wait_until="load")
    notices = shown.page.get_by_text("Research software; not for diagnosis.", exact=True)
    assert sum(notice.is_visible() for notice in notices.all()) == 1
    ways = [way for way in shown.page.locator("nav a, .rt-links a").all() if way.is_visible()]
    targets = [way.evaluate("one => one.href") for way in ways]
    assert (folder / "evidence/model_card.html").as_uri() in targets
    assert sorted(set(targets)) == sorted(targets)


@pytest.mark.slow
def test_what_is_folded_on_the_summary_is_on_paper(of_run):
    shown, folder = of_run
    shown.page.goto((folder / "index.html").as_uri())
    limit = shown.page.locator(".answers details li").first
    assert not limit.is_visible()
    shown.page.emulate_media(media="print")
    is_printed = limit.evaluate("one => one.getBoundingClientRect().height > 0")
    shown.page.emulate_media(media="screen")
    assert is_printed


@pytest.mark.slow
def test_slices_of_a_case_are_stepped_by_key_in_the_site_too(of_run):
    shown, folder = of_run
    page = shown.page
    page.goto((folder / CASE_PAGE).as_uri())
    before = page.inner_text("#place")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "rt-skip"
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowRight")
    after = page.inner_text("#place")
    assert before != after
    assert page.locator(".slice:visible figcaption").all_inner_texts() == [after]
