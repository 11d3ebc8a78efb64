"""measures: a measure is one entry of one table, and everything that is filled from it has it."""

import json

import numpy as np
import pytest

from radiotrace import records
from radiotrace.commands import metric_names
from radiotrace.evidence.design import criteria
from radiotrace.evidence.formats import mlbom, model_card
from radiotrace.evidence.pages import model_card as card_page
from radiotrace.evidence.pages.elements import Records
from radiotrace.evidence.verify import levels
from radiotrace.records import measure_table
from radiotrace.records.dataset import Dataset
from radiotrace.records.metrics import Metrics
from radiotrace.records.robustness import Robustness
from radiotrace.records.sections.segmentation.evaluate import EvaluateParams
from radiotrace.records.variants import Variants
from radiotrace.segmentation import case_pages, in_short, measures, methods, report, results
from radiotrace.segmentation.verification import rederive
from radiotrace.statistics import intervals, measure
from radiotrace.statistics.measure import Measure
from stages.segmentation import evaluate
from stages.segmentation import report as report_stage
from tests import bills, phantoms, projects, submitted

EXAMPLES = projects.ROOT / "tests/schema_cases"
LABELS = {"0": "background", "1": "anterior", "2": "posterior"}
ISOTROPIC = (1.0, 1.0, 1.0)
# What a person adds: an entry, whose function is here.
RATIO = Measure(
    name="volume_ratio",
    title="Volume ratio",
    unit="1:1",
    digits=4,
    better="larger",
    kind="amount",
    headline=True,
    definition="prediction over reference, at {surface_tolerance_mm:g} mm; undefined without reference",
    source="Toy 2026",
    of=lambda pair: pair.prediction_mm3 / pair.reference_mm3 if pair.reference_mm3 else None,
)


def example(schema: str, name: str) -> dict:
    return json.loads((EXAMPLES / schema / "valid" / f"{name}.json").read_text("utf-8"))


VARIANTS = Variants.of(example("released_variants", "hippocampus"))


def entry(number: int) -> dict:
    """A case of phantom boxes: the reference, and a prediction that misses its first one to three slices."""
    reference = phantoms.label_array()
    prediction = reference.copy()
    prediction[: 5 + number % 3] = 0
    return {
        "case_id": f"p_{number:02d}",
        "subject_id": f"of_{number:02d}",
        "labels": results.compare(reference, prediction, LABELS, ISOTROPIC, 1, 0.5),
        "uncertainty": {"dropout": {"score": 0.1, "entropy": 0.05, "mutual_information": 0.01}},
        "flagged": {"dropout": False},
        "prediction": f"p_{number:02d}.nii.gz",
        "prediction_sha256": "b" * 64,
    }


@pytest.fixture
def added(monkeypatch):
    """The table with one entry more."""
    monkeypatch.setattr(measures, "TABLE", measure.table(*measures.TABLE, RATIO))


@pytest.fixture
def made(added) -> dict[str, dict]:
    """The records cases, metrics and headline of phantoms, as evaluate makes them from this table."""
    cases = records.canonical([entry(number) for number in range(12)])
    metrics = example("metrics", "all_defined") | {
        "measures": [one.record() for one in measures.TABLE],
        "methods": methods.texts(parameters()),
        **results.Summary(cases).measures(),
    }
    about = {key: metrics[key] for key in ("run_id", "part", "excluded")}
    return {
        "cases": {**about, "cases": cases},
        "metrics": records.canonical(metrics),
        "headline": records.canonical(results.headline(Metrics.of(metrics)).record()),
    }


def parameters() -> EvaluateParams:
    return EvaluateParams.of(evaluate.params.load(projects.ROOT / "params.yaml", "evaluate", seed=True))


# One entry more


def test_cases_have_it(made):
    row = made["cases"]["cases"][0]["labels"]["anterior"]
    assert row["volume_ratio"] == pytest.approx(row["prediction_mm3"] / row["reference_mm3"])
    assert 0 < row["volume_ratio"] < 1


def test_metrics_have_it_with_mean_and_interval_and_describe_it(made):
    values = [case["labels"]["anterior"]["volume_ratio"] for case in made["cases"]["cases"]]
    summary = made["metrics"]["volume_ratio"]["anterior"]
    assert summary["mean"] == pytest.approx(np.mean(values))
    assert summary["ci95_low"] < summary["mean"] < summary["ci95_high"]
    assert measure_table.read(made["metrics"])["volume_ratio"].heading == "Volume ratio, 1:1"


def test_records_with_it_fit_their_schemas_and_the_stage_takes_them(made):
    assert [fault for name, record in made.items() for fault in records.faults(record, name)] == []
    assert evaluate.misfits(made) == []


def test_the_headline_has_it_because_the_entry_says_so(made):
    mean = made["metrics"]["volume_ratio"]["mean_of_labels"]["mean"]
    assert made["headline"]["volume_ratio"]["mean_of_labels"]["mean"] == mean


def test_methods_say_how_it_was_made(made):
    tolerance = f"{parameters().surface_tolerance_mm:g}"
    assert made["metrics"]["methods"]["volume_ratio"] == (
        f"prediction over reference, at {tolerance} mm; undefined without reference (Toy 2026)"
    )


def test_the_page_has_its_row_and_its_column(made):
    metrics, cases = Metrics.of(made["metrics"]), made["cases"]["cases"]
    thumbnails = {case["case_id"]: b"" for case in cases}
    rows = report.cases(cases, report.columns(metrics), "dropout", thumbnails)
    text = page(metrics, rows)
    assert text.count("Volume ratio, 1:1</th>") == 2
    shown = report.interval(metrics.of_measure["volume_ratio"]["anterior"], 4)
    assert f'<td class="n">{shown}</td>' in text
    assert report.number(cases[0]["labels"]["anterior"]["volume_ratio"], 4) in text
    assert "<code>volume_ratio</code></dt><dd>prediction over reference" in text


def page(metrics: Metrics, rows: list[dict]) -> str:
    """The whole page, with no pictures."""
    charts = ("distribution", "bland_altman", "calibration", "uncertainty", "risk_coverage", "subgroups")
    drawn = dict.fromkeys(
        (*charts, "envelope", "explanations", "training", "variants", "variants_by_time"), b""
    )
    template = (projects.ROOT / "stages/segmentation/report.html").read_text("utf-8")
    content = report_stage.filled(
        template,
        run_id=metrics.run_id,
        dataset=Dataset.of(example("dataset", "one_case")).dataset,
        metrics=metrics,
        acceptance=example("acceptance", "met"),
        robustness=Robustness.of(example("robustness", "defined_and_not")),
        variants=VARIANTS,
        variant_rows=report.variants(VARIANTS, {}),
        best_variant=report.best(VARIANTS, {}),
        timed={},
        imported=None,
        worth_of_teacher=report.teacher(VARIANTS),
        style="",
        state=in_short.State(is_good=True, text="All criteria are met."),
        short=[],
        is_draft=False,
        findings=[],
        measures=report.measures(metrics),
        aims=[],
        kept=report_stage.agreement.kept,
        columns=report.columns(metrics),
        cases=rows,
        files=case_pages.file_names([row["case_id"] for row in rows]),
        page_hashes={},
        worst=[],
        labels=["anterior", "posterior"],
        kinds=report.KINDS,
        flag_by="dropout",
        pictures=drawn,
        narrow={},
        colours=("red", "blue"),
        calibration_rows=report_stage.CALIBRATION,
        at=lambda text, *place: text,
        quotes=list,
        object_overlap_min=0.1,
        calibration_margin_voxels=3,
        poor_dice=0.8,
        hashes={},
    )
    return content.decode()


def test_the_model_card_has_it_and_its_page_the_title(made):
    names = ("split", "model", "dataset", "openings", "acceptance", "risks", "anomalies", "traceability")
    bundle = {f"{name}.json": submitted.json_of(f"evidence/{name}.json") for name in (*names, "checkpoints")}
    bundle["metrics.json"] = made["metrics"]
    intended_use = submitted.json_of("evidence/intended_use.json")
    card = model_card.card(intended_use, bundle, dict.fromkeys(bundle, "a" * 64))
    assert records.faults(card, "model_card") == []
    reference = card["performance"]["measures"]["volume_ratio"]["anterior"]["mean"]
    assert reference["value"] == made["metrics"]["volume_ratio"]["anterior"]["mean"]
    shown = card_page.page(Records(bundle | {"model_card.json": card}))
    [performance] = [section for section in shown.sections if section.id == "performance"]
    titles = [row.cells[0].text for row in performance.blocks[1].rows]
    assert "Volume ratio, 1:1" in titles


def test_the_bill_of_the_model_has_it(made):
    model, dataset, split, intended_use = (
        submitted.json_of(f"evidence/{name}.json") for name in ("model", "dataset", "split", "intended_use")
    )
    run = mlbom.RunRecords(model, dataset, made["metrics"], split)
    bill = mlbom.mlbom(run, bills.phantom(), intended_use, approach="a test")
    analysis = bill["metadata"]["component"]["modelCard"]["quantitativeAnalysis"]
    rows = [row for row in analysis["performanceMetrics"] if row["type"] == "mean volume_ratio"]
    mean = made["metrics"]["volume_ratio"]["anterior"]["mean"]
    assert f"{mean:.9g}" in [row["value"] for row in rows]
    assert bills.refusal(bill) == ""


def test_a_criterion_may_name_it_once_make_deps_has_run(added, tmp_path, monkeypatch):
    (tmp_path / "metric_names.schema.json").write_text(metric_names.schema_text())
    criterion = {"id": "SRS-VOL-99", "acceptance": {"metric": "volume_ratio.anterior"}}
    before = criteria.unknown({"requirements": [criterion]}, LABELS, "segmentation")
    monkeypatch.setattr(records, "SCHEMAS", tmp_path)
    forget()
    after = criteria.unknown({"requirements": [criterion]}, LABELS, "segmentation")
    forget()
    assert ([line.split(";")[0] for line in before], after) == (
        ["SRS-VOL-99: there is no metric volume_ratio.anterior"],
        [],
    )


def forget() -> None:
    """What was read of schemas."""
    records.schema.cache_clear()
    criteria._open_names.cache_clear()


# The stage refuses what does not fit


def test_the_stage_names_each_measure_that_is_misspelt_or_missing(made):
    made["metrics"]["uio"] = made["metrics"].pop("iou")
    del made["cases"]["cases"][0]["labels"]["anterior"]["ppv"]
    del made["headline"]["dice"]
    assert evaluate.misfits(made) == [
        "metrics.json: record: 'iou' is missing, but stands in measures",
        "metrics.json: record: 'uio' does not stand in measures",
        "cases.json: p_00: anterior: ppv is missing",
        "headline.json: dice is missing",
    ]


class Sources:
    """What rederive reads before it makes a number again."""

    def __init__(self, made: dict[str, dict]):
        self.made = made

    def __getitem__(self, name: str) -> dict:
        return self.made[name]

    def params(self, _: str) -> dict:
        return parameters().record()


@pytest.mark.requirement("SRS-EVI-5")
def test_verification_names_each_measure_that_is_misspelt_or_missing(made):
    row = made["cases"]["cases"][0]["labels"]["anterior"]
    row["pvp"] = row.pop("ppv")
    faults = ["p_00: anterior: ppv is missing", "p_00: anterior: pvp is no measure of the table"]
    assert rederive.metrics(Sources(made)) == [f"cases.json: {fault}" for fault in faults]
    bundle = {f"{name}.json": record for name, record in made.items()}
    assert levels._unfit(bundle, {f"{name}.json": name for name in made}) == [
        f"cases.json: {fault}" for fault in faults
    ]


@pytest.mark.requirement("SRS-EVI-5")
def test_verification_names_what_a_table_says_that_the_code_does_not(made):
    made["metrics"]["measures"][0]["better"] = "smaller"
    assert rederive.metrics(Sources(made)) == [
        'metrics.json at /measures/0/better states "smaller", found "larger"'
    ]


# The table


def test_the_names_that_a_criterion_may_have_are_those_of_the_table():  # else: make deps
    assert (projects.ROOT / metric_names.PATH).read_text("utf-8") == metric_names.schema_text()
    of_labels = {name.removesuffix(".*") for name in metric_names.open_names("segmentation")}
    assert {measure.name for measure in measures.TABLE} <= of_labels


@pytest.mark.parametrize("empty_reference", [results.UNDEFINED, results.SCORE])
def test_every_measure_has_values_of_its_kind(empty_reference):
    reference, empty = phantoms.label_array(), np.zeros_like(phantoms.label_array())
    shifted = phantoms.label_array((1, 2, 0))
    pairs = [
        (reference, reference),
        (reference, shifted),
        (reference, empty),
        (empty, reference),
        (empty, empty),
    ]
    cases = [
        {
            "case_id": f"p_{number}",
            "labels": results.compare(*pair, LABELS, (2.5, 1.0, 0.5), 1, 0.5, empty_reference),
        }
        for number, pair in enumerate(pairs)
    ]
    table = {"measures": [one.record() for one in measures.TABLE]}
    assert measure_table.misfits_of_cases(table, cases) == []


@pytest.mark.parametrize("one", measures.TABLE, ids=lambda one: one.name)
def test_a_measure_with_a_unit_has_it_in_its_name(one):  # records have no other place for it
    suffix = {"": "", "mm": "_mm", "mm³": "_mm3", "%": "_percent"}[one.unit]
    others = {"_mm", "_mm3", "_percent"} - {suffix}
    assert one.name.endswith(suffix)
    assert not one.name.endswith(tuple(others))


@pytest.mark.parametrize("one", measures.TABLE, ids=lambda one: one.name)
def test_what_a_measure_is_of_identical_masks_is_the_best_that_it_can_be(one):
    masks = phantoms.label_array() == 1
    value = one.of(measures.Pair(masks, masks, ISOTROPIC, 1))
    best = {"larger": 1, "smaller": 0, None: 1 if one.kind == "count" else 0}
    assert value == best[one.better]


def test_the_rule_of_an_interval_follows_from_the_kind():
    rules = {one.name: one.rule for one in measures.TABLE}
    assert rules["dice"] == intervals.SHARE
    assert rules["hausdorff95_mm"] == intervals.AMOUNT
    assert rules["volume_error_percent"] == intervals.MEAN
    assert rules["prediction_components"] == intervals.COUNT


def test_a_table_that_cannot_be_is_refused_with_every_fault():
    wrong = [
        {"name": "Volume ratio"},
        {"name": "of_a_kind", "kind": "ratio"},
        {"name": "signed_one", "kind": "signed", "one_where_rightly_empty": True},
    ]
    given = {key: getattr(RATIO, key) for key in ("title", "digits", "better", "kind", "definition", "of")}
    with pytest.raises(ValueError, match="table of measures: ") as caught:
        measure.table(RATIO, RATIO, *(Measure(**given | change) for change in wrong))
    assert str(caught.value).removeprefix("table of measures: ").split("; ") == [
        "volume_ratio stands twice",
        "'Volume ratio': expected small letters, digits and _, and a letter first",
        "of_a_kind: kind ratio, expected one of share, amount, count, signed",
        "signed_one: kind signed is 1 where nothing is there, expected share",
    ]


@pytest.mark.parametrize("name", ["reference_mm3", "objects_found"])
def test_a_measure_of_the_name_of_a_fact_of_the_masks_is_refused(monkeypatch, name):
    given = {key: getattr(RATIO, key) for key in ("title", "digits", "better", "kind", "definition", "of")}
    monkeypatch.setattr(measures, "TABLE", measure.table(*measures.TABLE, Measure(name=name, **given)))
    with pytest.raises(TypeError, match=name):
        entry(0)
