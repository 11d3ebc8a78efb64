"""The page of a test case: what it says, that its slices scroll, and that it stands without a script."""

import json
import re

import numpy as np
import pytest

from radiotrace.drawing import slices
from radiotrace.imaging.channels import Channel
from radiotrace.records.dataset import Dataset
from radiotrace.records.metrics import Metrics
from radiotrace.segmentation import case_pages
from stages.segmentation import report as stage
from tests import browser, projects

CASES = projects.ROOT / "tests/schema_cases"
FOLDER = projects.ROOT / "stages/segmentation"
FILES = {"case_template": "case.html", "style": "report.css", "script": "case.js"}
HOSTILE = '<script>document.title = "taken"</script>"\'&'
MRI = Channel("MRI", "MRI")


def record(schema: str, name: str) -> dict:
    return json.loads((CASES / schema / "valid" / f"{name}.json").read_text("utf-8"))


def entries(*case_ids: str) -> list[dict]:
    """Entries of the record 'cases', the last the best."""
    [entry] = record("cases", "undefined_dice")["cases"][:1]
    made = []
    for place, case_id in enumerate(case_ids):
        dice = 0.1 * (place + 1)
        labels = {name: row | {"dice": dice} for name, row in entry["labels"].items()}
        made.append(entry | {"case_id": case_id, "labels": labels})
    return made


def words(cases: list[dict], *channels: Channel) -> dict[str, case_pages.CasePage]:
    metrics = Metrics.of(record("metrics", "all_defined"))
    return case_pages.pages(cases, metrics, channels or (MRI,), "dropout")


def stack(shape_zyx=(12, 20, 16), spacing_zyx=(2, 1, 1)) -> slices.Stack:
    image = np.random.default_rng(0).random(shape_zyx)
    reference = np.zeros(shape_zyx, bool)
    middle = shape_zyx[0] // 2
    reference[middle : middle + 3, 5:12, 4:10] = True
    return slices.stack(image, [(reference, np.roll(reference, 1, 2)), (~reference, ~reference)], spacing_zyx)


def html(words_of: case_pages.CasePage, drawn: slices.Stack) -> str:
    templates = {key: (FOLDER / name).read_text("utf-8") for key, name in FILES.items()}
    dataset = Dataset.of(record("dataset", "one_case")).dataset
    return stage.of_case(templates, words_of, drawn, run_id="a" * 64, dataset=dataset).decode()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A page of the middle one of three cases."""
    made = tmp_path_factory.mktemp("case") / "p_02.html"
    made.write_text(html(words(entries("p_01", "p_02", "p_03"))["p_02"], stack()), "utf-8")
    return made


def test_names_of_files_differ_where_case_is_all_that_does():
    names = case_pages.file_names(["Case_1", "case_1", "b.nii", "b_nii", "x" * 300, "c-3"])
    assert len({name.lower() for name in names.values()}) == 6
    assert names["c-3"] == "c-3.html"
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,95}\.html", name) for name in names.values())
    assert case_pages.file_names(["../../etc/passwd"])["../../etc/passwd"].startswith("_etc_passwd-")


def test_neighbours_are_the_next_worse_and_the_next_better():
    pages = words(entries("p_01", "p_02", "p_03"))
    assert list(pages) == ["p_01", "p_02", "p_03"]
    page = pages["p_02"]
    assert (page.worse, page.better) == (
        case_pages.Neighbour("p_01", "p_01.html"),
        case_pages.Neighbour("p_03", "p_03.html"),
    )
    assert (pages["p_01"].worse, pages["p_03"].better) == (None, None)
    assert (page.rank, page.n_cases, page.dice) == (2, 3, "0.200")


def test_the_record_is_quoted_from_its_place():
    cases = entries("p_01", "p_02")[::-1]
    page = words(cases)["p_01"]
    assert page.pointer == "/cases/1"
    assert json.loads(page.record) == cases[1]


def test_every_measure_and_both_volumes_stand_with_their_unit():
    metrics = Metrics.of(record("metrics", "all_defined"))
    headings = [row.heading for row in words(entries("p_01"))["p_01"].measures]
    assert headings[:2] == ["Volume of the reference, mm³", "Volume of the prediction, mm³"]
    assert headings[2:] == [measure.heading for measure in metrics.table().values()]


@pytest.mark.parametrize(
    ("is_flagged", "text"), [(True, "Flagged for"), (False, "Not flagged for"), (None, "Not judged")]
)
def test_whether_a_case_is_flagged_is_a_sentence(is_flagged, text):
    assert case_pages.flagged(is_flagged, "dropout").startswith(text)


def test_several_channels_are_named_and_ct_has_a_unit():
    page = words(entries("p_01"), Channel("T2", "MRI"), Channel("ADC", "MRI"))["p_01"]
    assert page.channel == "T2, the first of 2"
    page = words(entries("p_01"), Channel("CT", "CT"))["p_01"]
    assert (page.channel, page.unit) == ("", "HU")


def test_labels_differ_in_colour_and_begin_again():
    labels = case_pages.labels_of([f"label {number}" for number in range(5)])
    assert len({(label.reference, label.prediction) for label in labels}) == 4
    assert all(label.reference != label.prediction for label in labels)


def test_the_same_case_gives_the_same_page():
    page = words(entries("p_01"))["p_01"]
    assert html(page, stack()) == html(page, stack())


def test_sides_scale_window_and_number_of_slices_are_written(path):
    text = path.read_text("utf-8")
    assert "slice 12 of 12" in text
    assert ">5 mm</text>" in text  # of 16 mm, a third at most
    assert "from I\n    (feet, slice 1) to S (head), one slice each 2 mm" in text.replace(
        "from I ", "from I\n    "
    )
    assert "Window: black at" in text


@pytest.mark.slow
def test_names_cannot_become_code(tmp_path):
    cases = entries(HOSTILE)
    cases[0]["labels"] = {HOSTILE + name: row for name, row in cases[0]["labels"].items()}
    cases[0]["subject_id"] = HOSTILE
    page = tmp_path / "page.html"
    page.write_text(html(words(cases)[HOSTILE], stack()), "utf-8")
    with browser.opened(page) as shown:
        assert shown.page.title().startswith(HOSTILE)
        assert HOSTILE in shown.page.inner_text("h1")
        assert shown.errors == []
        assert [shown.overflow(width) for width in (390, 1280)] == [0, 0]


@pytest.mark.slow
def test_the_page_asks_for_nothing_has_no_error_and_is_accessible(path):
    with browser.opened(path) as shown:
        assert [url for url in shown.requests if not url.startswith("data:")] == [path.as_uri()]
        assert shown.errors == []
        assert shown.misfits() == []
        assert [shown.overflow(width) for width in (390, 760, 1280)] == [0, 0, 0]


@pytest.mark.slow
def test_keys_go_from_slice_to_slice(path):
    with browser.opened(path) as shown:
        page = shown.page

        def now() -> list[str]:
            visible = ".slice:visible figcaption"
            return [page.inner_text("#place"), *page.locator(visible).all_inner_texts()]

        assert now() == ["slice 1 of 12"] * 2  # the second label fills the first slice
        page.keyboard.press("ArrowRight")
        assert now() == ["slice 2 of 12"] * 2
        page.focus("#position")
        page.keyboard.press("ArrowRight")
        assert now() == ["slice 3 of 12"] * 2
        page.keyboard.press("End")
        assert now() == ["slice 12 of 12"] * 2
        page.click("#next")
        assert now() == ["slice 12 of 12"] * 2
        page.focus("#previous")
        page.keyboard.press("Enter")
        assert now() == ["slice 11 of 12"] * 2


@pytest.mark.slow
def test_outlines_are_switched_by_source_and_by_label_and_differ_in_dashes_and_colour(path):
    with browser.opened(path) as shown:
        page = shown.page
        page.fill("#position", "8")
        looks = page.eval_on_selector_all(
            ".slice.now path",
            "all => all.map(getComputedStyle).map(look => [look.stroke, look.strokeDasharray === 'none'])",
        )
        assert [is_solid for _, is_solid in looks] == [True, True, False, False]
        assert len({colour for colour, _ in looks}) == 4
        drawn = ".slice.now path:visible"
        assert page.locator(drawn).count() == 4
        page.focus("[data-shows=reference]")
        page.keyboard.press("Space")
        assert (
            page.eval_on_selector_all(drawn, "all => all.map(one => one.classList[0])") == ["prediction"] * 2
        )
        page.uncheck("[data-shows=label-2]")
        assert page.locator(drawn).count() == 1


@pytest.mark.slow
@pytest.mark.parametrize("medium", ["screen", "print"])
def test_a_sheet_of_slices_stands_without_a_script_and_on_paper(path, medium):
    with browser.opened(path, java_script=medium == "print") as shown:
        shown.page.emulate_media(media=medium)
        assert shown.page.locator(".slice:visible").count() == slices.SHEET
        for source in ("reference", "prediction"):
            assert shown.page.locator(f".slice:visible path.{source}:visible").count() > 0
        assert not shown.page.is_visible(".controls")


@pytest.mark.slow
def test_on_paper_nothing_is_cut_off_and_nothing_is_for_screens(path):
    with browser.opened(path) as shown:
        paper = shown.on_paper(browser.PORTRAIT, hidden="nav, .skip, .controls")
        assert paper.cut_off == []
        assert paper.not_hidden == []
        assert paper.n_sheets > 0


@pytest.mark.slow
def test_the_first_tab_skips_to_the_case_and_is_seen(path):
    with browser.opened(path) as shown:
        page = shown.page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        assert page.evaluate("document.activeElement.getBoundingClientRect().top") >= 0
        page.keyboard.press("Tab")
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_a_picture_has_a_page():
    text = html(words(entries("p_01"))["p_01"], stack_of_one())
    assert "slice 1 of 1" in text
    assert "one slice each" not in text


def stack_of_one() -> slices.Stack:
    mask = np.ones((1, 9, 7), bool)
    return slices.stack(np.arange(63.0).reshape(1, 9, 7), [(mask, mask), (mask, mask)], (1, 0.5, 0.5))
