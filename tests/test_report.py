"""report: what it says, and that a real browser opens it without asking anybody for anything."""

import copy
import hashlib
import json
import re
from dataclasses import replace
from urllib.parse import unquote

import pytest

from radiotrace.records.estimates import Mean
from radiotrace.records.metrics import Metrics, Uncertainty
from radiotrace.records.robustness import Robustness
from radiotrace.records.timing import Timing, files_sha256
from radiotrace.records.variants import Variants
from radiotrace.segmentation import report
from tests import browser, projects

CASES = projects.ROOT / "tests/schema_cases"


def record(schema: str, name: str) -> dict:
    return json.loads((CASES / schema / "valid" / f"{name}.json").read_text("utf-8"))


@pytest.fixture
def metrics() -> dict:
    return record("metrics", "all_defined")


@pytest.fixture
def robustness() -> dict:
    """Of three corruptions, and of each attack at two steps."""
    example = record("robustness", "defined_and_not")
    corrupted = next(iter(example["corruptions"].values()))

    def curve(severity) -> dict:
        return corrupted | {"breaks_at": {"mean_of_labels": severity}}

    def levels(name: str, *means: float) -> list[dict]:
        [level] = example["adversarial"]["attacks"][name]
        of_all = level["dice"]["mean_of_labels"]
        return [
            level | {"eps_sd": eps, "dice": {"mean_of_labels": of_all | {"mean": mean}}}
            for eps, mean in zip((0.1, 0.3), means, strict=True)
        ]

    attacks = {"fgsm": (0.8, 0.7), "noise": (0.8, 0.89), "pgd": (0.7, 0.6), "segpgd": (0.7, 0.55)}
    example["adversarial"]["attacks"] = {name: levels(name, *means) for name, means in attacks.items()}
    example["adversarial"] |= {"n_cases": 2}
    curves = {"blur": curve(4), "missing_slices": curve(2), "gamma": curve(None)}
    return example | {"criterion_dice": 0.85, "n_cases": 10, "corruptions": curves}


def told(metrics) -> str:
    """What the section on uncertainty says of dropout's threshold."""
    of = Metrics.of(metrics)
    return report.aim(of.decisions, "dropout", of.uncertainty["dropout"])


def said(metrics, robustness, acceptance="met", n_models=3) -> str:
    return "\n".join(
        report.findings(
            Metrics.of(metrics), record("acceptance", acceptance), Robustness.of(robustness), n_models
        )
    )


@pytest.mark.requirement("SRS-UI-2")
def test_a_release_that_is_blocked_is_said_first(metrics, robustness):
    acceptance = record("acceptance", "cannot_say")
    first = report.findings(Metrics.of(metrics), acceptance, Robustness.of(robustness), 3)[0]
    assert "the release is blocked" in first
    assert all(
        result["requirement"] in first for result in acceptance["results"] if result["verdict"] != "met"
    )


def test_a_criterion_that_was_set_afterwards_is_told_apart_from_one_that_is_missed(metrics, robustness):
    acceptance = record("acceptance", "met")
    [row] = acceptance["results"]
    acceptance["results"] = [
        row,
        row | {"requirement": "SRS-VOL-3", "verdict": "post-hoc"},
        row
        | {"requirement": "SRS-VOL-6", "verdict": "not met", "reason": "upper 95 % bound 5.9, needed <= 5"},
    ]
    first = report.findings(Metrics.of(metrics), acceptance, Robustness.of(robustness), 3)[0]
    assert first.startswith(
        "Of 3 performance requirements, 1 are met, and the release is blocked: 1 are "
        "missed or undecided, "
        "SRS-VOL-6 (upper 95 % bound 5.9, needed <= 5); 1 are met only after the fact"
    )
    assert first.endswith("SRS-VOL-3.")


def test_the_shares_of_flags_have_their_intervals(metrics):
    row = Uncertainty.of(metrics["uncertainty"]["dropout"])
    text = report.shares(row)
    assert text.startswith(
        "Of all cases a share of 0.62 (0.30 to 0.90) is flagged, of poor ones 0.00 (no interval"
    )
    assert report.shares(replace(row, flagging=None)) == ""


def test_the_worst_case_is_named(metrics, robustness):
    assert f"The worst case is {metrics['worst_cases'][0]['case_id']}" in said(metrics, robustness)


@pytest.mark.parametrize(
    ("low", "judgement"),
    [
        (0.52, "tells poor cases from others"),
        (0.5, "has not been shown to tell"),
        (None, "has not been shown to tell"),
    ],
)
def test_an_interval_decides_whether_uncertainty_is_of_use(metrics, robustness, low, judgement):
    metrics["uncertainty"]["dropout"]["auroc"] |= {
        "value": 0.7,
        "ci95_low": low,
        "ci95_high": None if low is None else 0.9,
    }
    assert judgement in said(metrics, robustness)


def flagged(metrics, subjects: int, surprise: float) -> dict:
    """The metrics of a threshold of 17 validation subjects, meant for a tenth, that flags so many of 35."""
    row = metrics["uncertainty"]["dropout"]
    row["flagging"] |= {
        "flagged": 13,
        "caught": 2,
        "poor": 6,
        "flagged_subjects": subjects,
        "n_subjects": 35,
        "surprise": surprise,
    }
    metrics["decisions"] |= {
        "flag_share": 0.1,
        "flag_rule": {
            "dropout": {
                "n_subjects": 17,
                "needed": 9,
                "share_expected": 1 / 18,
                "share_ci95_low": 0.0015,
                "share_ci95_high": 0.195,
            }
        },
    }
    return metrics


def test_a_threshold_that_flags_far_more_than_it_was_meant_to_is_said_to_have_failed_and_why(
    metrics, robustness
):
    text = told(flagged(metrics, 11, 0.003))
    assert "catches 2 of the 6 with a Dice below 0.85: the aim failed." in said(metrics, robustness)
    assert (
        "meant to flag at most 10 % of subjects, its threshold flags 11 of 35 (31 %), 13 cases, and catches "
        "2 of the 6" in text
    )
    assert "The aim failed: 17 validation subjects fix the share no closer than 0.1 % to 19.5 %" in text
    assert "more are flagged than chance allows (p = 0.0030)" in text


def test_a_threshold_that_chance_explains_is_not_blamed_on_the_validation_part(metrics):
    text = told(flagged(metrics, 4, 0.2))
    assert "The aim failed" in text
    assert "within chance (p = 0.20)" in text
    assert "cannot set this threshold" not in text


def test_a_threshold_that_keeps_its_aim_is_not_said_to_have_failed(metrics, robustness):
    assert "aim failed" not in said(flagged(metrics, 3, 0.4), robustness)


def test_a_threshold_that_could_not_be_set_says_how_many_subjects_it_takes(metrics, robustness):
    metrics["uncertainty"]["dropout"]["flagging"] = None
    few = metrics["decisions"]["flag_rule"]["dropout"] | {"n_subjects": 4, "needed": 9}
    metrics["decisions"] |= {"flag_share": 0.1, "flag_rule": {"dropout": few}}
    assert "no threshold: 4 validation subjects, 9 needed to flag 10 % of subjects at most" in said(
        metrics, robustness
    )


@pytest.mark.parametrize(("disagreed", "hardly"), [(0.0005, True), (0.05, False)])
def test_predictions_that_hardly_differ_are_said_to(metrics, disagreed, hardly):
    row = metrics["uncertainty"]["dropout"]
    row["entropy_nats"]["value"], row["mutual_information_nats"]["value"] = 0.11, disagreed
    assert report.hardly(Uncertainty.of(row)) is hardly
    assert report.disagreement(Uncertainty.of(row)) == f"{disagreed:.4f} of 0.110"


def test_volumes_are_told_label_by_label_with_bias_absolute_error_and_slope(metrics, robustness):
    for name, bias in (("anterior", -4.0), ("posterior", 4.0)):
        metrics["volume_error_percent"][name] |= {"mean": bias, "ci95_low": bias - 1, "ci95_high": bias + 1}
        metrics["volume_error_absolute_percent"][name] |= {"mean": 5.0, "ci95_low": 4.0, "ci95_high": 6.0}
        metrics["volume_agreement"][name]["slope"] |= {"value": -0.3, "ci95_low": -0.5, "ci95_high": -0.1}
    text = said(metrics, robustness)
    assert (
        "Volume of anterior against the reference's: error −4.0 (−5.0 to −3.0) %, absolute error 5.0 (4.0 to "
        "6.0) %" in text
    )
    assert "Volume of posterior against the reference's: error 4.0 (3.0 to 5.0) %" in text
    assert (
        text.count(
            "slope of the error against the size −0.30 (−0.50 to −0.10): small ones come out too "
            "large and large ones too small; "
            # (2 - 0.3) / (2 + 0.3)
            "of a difference between groups it shows about 74 %"
        )
        == 2
    )


@pytest.mark.parametrize(
    ("value", "bounds"), [(-0.3, (-0.7, 0.1)), (-0.3, (None, None)), (None, (None, None))]
)
def test_a_slope_that_may_be_none_is_not_explained(metrics, robustness, value, bounds):
    for row in metrics["volume_agreement"].values():
        row["slope"] |= {"value": value, "ci95_low": bounds[0], "ci95_high": bounds[1]}
    assert "come out too" not in said(metrics, robustness)


def test_the_three_calibration_errors_are_told_apart(metrics, robustness):
    row = metrics["calibration"]["after"]
    for key, value in (
        ("expected_error", 0.005),
        ("expected_error_of_case", 0.013),
        ("expected_error_inside", 0.08),
    ):
        row[key] |= {"value": value, "ci95_low": None, "ci95_high": None}
    text = said(metrics, robustness)
    assert re.search(
        r"0\.005 \(no interval.*?\) pooled over voxels, 0\.013 \(no.*?\) in a case, 0\.080 "
        r"\(no.*?\) inside the organ",
        text,
    )
    assert "off by" not in text


def test_a_number_without_an_interval_says_why():
    row = Mean(5, 5, 0, mean=0.5, ci95_low=None, ci95_high=None, no_interval="fewer than 10 subjects")
    assert report.interval(row) == "0.500 (no interval: fewer than 10 subjects)"
    assert report.interval(replace(row, no_interval=None)) == "0.500 (no interval)"


@pytest.mark.parametrize(("temperature", "judgement"), [(1.5, "too sure"), (0.8, "not sure enough")])
def test_the_temperature_says_on_which_side_the_network_errs(metrics, robustness, temperature, judgement):
    metrics["decisions"]["temperature"] = temperature
    assert f"the network is {judgement}" in said(metrics, robustness)


def test_without_a_validation_part_there_is_no_temperature(metrics, robustness):
    metrics["calibration"]["after"] = None
    assert "no validation part to fit a temperature on" in said(metrics, robustness)


def test_a_gap_that_does_not_stand_after_correction_is_not_called_one(metrics, robustness):
    row = metrics["subgroups"]["site"]["north"]
    row |= {
        "gap": -0.05,
        "gap_simultaneous95_low": -0.11,
        "gap_simultaneous95_high": 0.01,
        "gap_no_interval": None,
        "p": 0.02,
        "p_adjusted": 0.3,
        "also": ["derived_snr: low"],
    }
    text = said(metrics, robustness)
    assert (
        "Furthest below the rest is north of site (also snr: low), by 0.050 of Dice; its interval, which "
        "holds together" in text
    )
    assert "from −0.110 to 0.010" in text
    assert "None of 2 gaps stands" in text
    row["p_adjusted"] = 0.01
    assert "1 of 2 gaps stand after correction" in said(metrics, robustness)


def test_an_attribute_whose_groups_are_those_of_another_is_named_all_the_same(metrics, robustness):
    metrics["subgroups"]["site"]["north"]["also"] = ["sex: female"]
    assert "Attributes of the data set: sex, site" in said(metrics, robustness)


def test_what_is_below_the_criterion_without_corruption_is_not_said_to_be_broken_by_it(metrics, robustness):
    robustness["corruptions"]["blur"]["breaks_at"]["mean_of_labels"] = 0
    assert "blur (it is below without corruption); missing slices from severity 2" in said(
        metrics, robustness
    )


def test_a_worst_group_without_an_interval_that_holds_for_all_is_not_quoted(metrics, robustness):
    for row in metrics["subgroups"]["site"].values():
        row |= {
            "gap_simultaneous95_low": None,
            "gap_simultaneous95_high": None,
            "gap_no_interval": "fewer than 10 subjects",
        }
    text = said(metrics, robustness)
    assert "urthest below" not in text
    assert "No gap has enough subjects on both sides for an interval." in text


def test_a_data_set_without_attributes_is_said_to_have_none(metrics, robustness):
    metrics["subgroups"] = {"derived_snr": metrics["subgroups"]["site"]}
    assert "says nothing of sex, age, site or scanner" in said(metrics, robustness)


def test_corruptions_are_named_from_the_first_to_break_the_criterion(metrics, robustness):
    assert "missing slices from severity 2; blur from severity 4. It holds under gamma." in said(
        metrics, robustness
    )


def test_of_an_attack_the_largest_step_is_told_and_no_safety(metrics, robustness):
    text = said(metrics, robustness)
    assert (
        "at most 0.3 SD, Dice of 2 cases goes from 0.900 to: random signs 0.890, FGSM 0.700, PGD 0.600, "
        "SegPGD 0.550. That is no statement of safety." in text
    )


def test_smaller_variants_are_told_in_plain_words_smallest_first():
    of = Variants.of(record("released_variants", "hippocampus"))
    half, same = report.variants(of, {})
    assert (half["name"], half["megabytes"], half["share"]) == (
        "ONNX, weights in half the room",
        "2.83",
        "50 %",
    )
    assert half["difference"] == "+0.00001 (−0.00001 to +0.00002)"
    assert half["worst"] == "hippocampus_109, −0.0001"
    assert half["otherwise"] == "8 of 3,097,751"
    assert (half["deflated"], half["time"], half["memory"]) == ("2.60", "not timed", "")
    assert (half["verdict"], same["verdict"]) == ("released", "as good, not smaller")


def timing(of: Variants, form: str, median_ms: float, **changes) -> Timing:
    """Of a form's very files."""
    files = [of.reference] if form == "released" else of.variants[form].files
    line = Timing(
        of.run_id,
        form,
        files_sha256(files),
        "ONNX Runtime",
        "1",
        of.params.threads,
        20,
        5,
        median_ms,
        200,
        2,
        300,
        "a machine",
    )
    return replace(line, **changes)


def test_the_last_time_of_a_form_counts_and_only_of_its_own_files_and_threads():
    of = Variants.of(record("released_variants", "hippocampus"))
    ledger = [
        timing(of, "released", 150),
        timing(of, "onnx_fp16", 140),
        timing(of, "onnx_fp16", 145),
        timing(of, "openvino", 70, threads=1),
        timing(of, "openvino", 70, files_sha256="0" * 64),
        timing(of, "openvino", 70, run_id="0" * 64),
        replace(timing(of, "released", 1), form="of_old"),
    ]
    found = report.times(of, ledger)
    assert {name: line.median_ms for name, line in found.items()} == {"released": 150, "onnx_fp16": 145}
    half, same = report.variants(of, found)
    assert (half["time"], half["memory"], same["time"]) == ("145", "300", "not timed")


@pytest.mark.requirement("SRS-OPT-2")
def test_the_form_that_is_named_best_is_the_fastest_of_those_that_are_as_good():
    of = Variants.of(record("released_variants", "hippocampus"))
    found = report.times(
        of, [timing(of, "released", 150), timing(of, "onnx_fp16", 145), timing(of, "openvino", 70)]
    )
    assert "openvino (the released file, run by OpenVINO): 70 ms a case in place of 150" in report.best(
        of, found
    )
    worse = replace(of.variants["openvino"], non_inferior=False)
    of = replace(of, variants=of.variants | {"openvino": worse})
    assert "onnx_fp16 (ONNX, weights in half the room): 145 ms" in report.best(of, found)
    worse = {
        name: replace(variant, non_inferior=False, released=False) for name, variant in of.variants.items()
    }
    assert report.best(replace(of, variants=worse), found) == "No other form is as good."


def test_without_times_the_smallest_form_is_named():
    of = Variants.of(record("released_variants", "hippocampus"))
    said = report.best(of, {})
    assert said.startswith("The smallest form that is as good is onnx_fp16")
    assert "2.83 MB in place of 5.62, Dice +0.00001 (−0.00001 to +0.00002)" in said


def test_what_a_teacher_is_worth_is_told_where_there_was_one():
    of = Variants.of(record("released_variants", "hippocampus"))
    assert "Dice +0.00001 (−0.00001 to +0.00008)" in report.teacher(of)
    assert report.teacher(replace(of, teacher=None)) == ""


def test_a_variant_that_is_not_shown_to_be_as_good_has_the_reason():
    of = Variants.of(record("released_variants", "hippocampus"))
    reason = "no interval: fewer than 10 subjects"
    unknown = replace(of.variants["openvino"], non_inferior=False, no_verdict=reason, flags_changed=None)
    [row] = report.variants(replace(of, variants={"openvino": unknown}), {})
    assert row["verdict"] == f"not shown to be as good: {reason}"
    assert row["flags"] == "no threshold"


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "undefined"), (0.00014, "+0.0001"), (-0.00014, "−0.0001"), (-0.00001, "0.0000")],
)
def test_differences_for_people(value, text):
    assert report.signed(value, 4) == text


@pytest.mark.parametrize(("value", "text"), [(None, "undefined"), (-0.5, "−0.500"), (0.1234, "0.123")])
def test_numbers_for_people(value, text):
    assert report.number(value) == text


def test_a_table_has_the_lowest_dice_first():
    rows = copy.deepcopy(record("cases", "undefined_dice")["cases"]) * 2
    rows[1] = copy.deepcopy(rows[1]) | {"case_id": "p_04"}
    rows[1]["labels"]["anterior"]["dice"] = 0.2
    columns = report.columns(Metrics.of(record("metrics", "all_defined")))
    found = report.cases(rows, columns, "dropout", dict.fromkeys(("p_03", "p_04"), b""))
    assert [row["case_id"] for row in found] == ["p_04", "p_03"]
    assert [cell["value"] for cell in found[0]["cells"][0]] == ["0.200", "undefined"]


# In a browser


@pytest.fixture(scope="module")
def opened(reproduced):
    """The report of a phantom project as a browser shows it: the page, what it asked for, and what went
    wrong."""
    with browser.opened(reproduced / "build/report/index.html") as shown:
        yield shown.page, shown.requests, shown.errors


@pytest.mark.requirement("SRS-UI-2")
@pytest.mark.slow
def test_nothing_leaves_the_page(opened):
    page, requests, _ = opened
    assert [url for url in requests if not url.startswith(("data:", "file:"))] == []
    assert [url for url in requests if url.startswith("file:")] == [page.url]


@pytest.mark.slow
def test_the_page_has_no_error(opened):
    assert opened[2] == []


@pytest.mark.requirement("SRS-UI-2")
@pytest.mark.slow
def test_every_picture_is_shown(opened):
    sizes = opened[0].eval_on_selector_all("img", "all => all.map(one => one.naturalWidth)")
    assert len(sizes) > 15
    assert min(sizes) > 0


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 800, 390])
def test_no_text_runs_out_of_the_page(opened, width):  # wide tables scroll by themselves
    page = opened[0]
    page.set_viewport_size({"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.slow
def test_every_link_leads_somewhere(opened, reproduced):
    page = opened[0]
    targets = page.eval_on_selector_all("a", "all => all.map(one => one.getAttribute('href'))")
    inside = {target[1:] for target in targets if target.startswith("#")}
    ids = set(page.eval_on_selector_all("[id]", "all => all.map(one => one.id)"))
    assert len(inside) > 40
    assert {unquote(target) for target in inside} <= ids
    files = {target for target in targets if not target.startswith("#")}
    assert "../../evidence/verification.html" in files
    assert [target for target in files if not (reproduced / "build/report" / target).is_file()] == []


@pytest.mark.slow
def test_a_number_leads_to_its_record_at_its_place(opened, reproduced):
    page = opened[0]
    page.click("#measures tbody tr a.at")
    place, text = page.eval_on_selector(":target", "one => [one.innerText, one.nextElementSibling.innerText]")
    assert place == "metrics/metrics.json#/dice/anterior"
    assert (
        json.loads(text) == json.loads((reproduced / "metrics/metrics.json").read_text())["dice"]["anterior"]
    )


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_the_report_is_accessible(opened, width):
    opened[0].set_viewport_size({"width": width, "height": 900})
    assert browser.Opened(opened[0]).misfits() == []


@pytest.mark.slow
def test_every_column_is_on_paper(opened):
    page = opened[0]
    page.set_viewport_size({"width": 695, "height": 900})  # 184 mm of A4, in CSS pixels
    page.emulate_media(media="print")
    wide = page.eval_on_selector_all("table", "all => all.map(one => one.getBoundingClientRect().right)")
    fits = page.evaluate("document.documentElement.scrollWidth")
    page.emulate_media(media="screen")
    assert fits <= 695
    assert max(wide) <= 695


@pytest.mark.slow
def test_each_sheet_of_paper_has_the_run_and_its_number(reproduced):
    text = (reproduced / "build/report/index.html").read_text()
    run_id = json.loads((reproduced / "metrics/metrics.json").read_text())["run_id"]
    assert f'@bottom-left {{ content: "run {run_id}"' in text
    assert "counter(page)" in text


@pytest.mark.slow
def test_the_page_of_each_case_has_the_hash_that_the_report_states(reproduced):
    text = (reproduced / "build/report/index.html").read_text()
    pages = sorted((reproduced / "build/report/cases").iterdir())
    cases = json.loads((reproduced / "metrics/cases.json").read_text())["cases"]
    assert [page.stem for page in pages] == sorted(case["case_id"] for case in cases)
    for page in pages:
        digest = hashlib.sha256(page.read_bytes()).hexdigest()
        assert f"<code>cases/{page.name}</code></dt><dd><code>{digest}</code>" in text


@pytest.mark.slow
def test_cases_lead_from_the_worst_to_the_best_and_back(opened, reproduced):
    page = opened[0].context.new_page()
    page.goto((reproduced / "build/report/index.html").as_uri())
    page.click("#cases tbody a")
    visited = [page.url]
    while link := page.query_selector("a[rel=next]"):
        link.click()
        visited.append(page.url)
    n_cases = len(json.loads((reproduced / "metrics/cases.json").read_text())["cases"])
    assert len(set(visited)) == len(visited) == n_cases
    page.click("a[rel=prev]")
    assert page.url == visited[-2]
    page.click("nav a")
    assert page.url.endswith("build/report/index.html")
    page.close()


@pytest.mark.slow
def test_the_page_has_every_test_case_with_its_dice(opened, reproduced):
    cases = json.loads((reproduced / "metrics/cases.json").read_text())["cases"]
    rows = opened[0].eval_on_selector_all("#cases tbody tr", "all => all.map(one => one.innerText)")
    assert len(rows) == len(cases)
    for case in cases:
        row = next(text for text in rows if case["case_id"] in text)
        assert all(report.number(label["dice"]) in row for label in case["labels"].values())


@pytest.mark.slow
def test_the_page_names_its_run_and_the_hashes_of_its_records(opened, reproduced):
    text = opened[0].inner_text("#how")
    manifest = {
        entry["path"]: entry["sha256"]
        for entry in json.loads((reproduced / "evidence/manifest.json").read_text())["files"]
    }
    assert json.loads((reproduced / "metrics/metrics.json").read_text())["run_id"] in text
    assert all(
        manifest[path] in text
        for path in ("metrics/metrics.json", "metrics/cases.json", "metrics/robustness.json")
    )
    assert "build/report/index.html" in manifest


@pytest.mark.slow
def test_the_page_has_no_clock_and_no_path_of_this_machine(opened, reproduced):
    text = (reproduced / "build/report/index.html").read_text()
    text = re.sub(r"data:image/[^\"]+", "", text)
    assert str(reproduced) not in text
    assert re.findall(r"\d\d:\d\d:\d\d|20\d\d-\d\d-\d\d", text) == []
