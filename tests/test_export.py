"""export: what stops it, and what it writes beside the network."""

import dataclasses
import json

import numpy as np
import pytest
import SimpleITK as sitk

from radiotrace import records
from radiotrace.inference import model_record, release_card
from radiotrace.pipeline import params
from radiotrace.records.dataset import Dataset
from radiotrace.records.metrics import Metrics
from radiotrace.records.model import ReleasedModel
from radiotrace.records.sections.segmentation.export import ExportParams, ReleasedLabel
from stages.segmentation import export
from tests.projects import ROOT

CASES = ROOT / "tests/schema_cases"
INTENDED_USE = params.load_yaml(ROOT / "design/intended_use.yaml")
LABELS = {"0": "background", "1": "anterior", "2": "posterior"}


def example(schema: str, name: str) -> dict:
    return json.loads((CASES / schema / "valid" / f"{name}.json").read_text("utf-8"))


def compared(case_id: str, difference=1e-5, otherwise=0, distances=(0.0, 0.0)) -> export.Compared:
    return export.Compared(
        case_id, sitk.Image(10, 20, 30, sitk.sitkUInt8), 0.1, difference, otherwise, distances
    )


def test_agreement_names_the_worst_case_and_counts_all():
    parity = export.agreement([compared("a", 2e-5), compared("b", 7e-5, otherwise=3)], tolerance=1e-4)
    assert (parity.worst_case, parity.max_logit_difference) == ("b", 7e-5)
    assert (parity.voxels_compared, parity.voxels_different) == (12000, 3)
    assert model_record.disagreements(dataclasses.replace(parity, voxels_different=0)) == []


@pytest.mark.parametrize(
    ("case", "said"),
    [
        (compared("a", difference=2e-3), "largest difference of a logit 0.002 in a, tolerance 0.001"),
        (compared("a", difference=float("nan")), "largest difference of a logit nan in a, tolerance 0.001"),
        (compared("a", otherwise=1), "0.00017 of all voxels labelled otherwise, at most 0.0001"),
        (compared("a", distances=(2e-4, 0.0)), "the mean Dice may change by 0.0002, at most 0.0001"),
    ],
)
def test_a_file_that_is_another_model_is_told_by_its_fault(case, said):
    assert model_record.disagreements(export.agreement([case], tolerance=1e-3)) == [said]


def test_twice_the_distance_bounds_what_a_dice_changes_by():
    rng = np.random.default_rng(0)
    for _ in range(300):
        one, other, reference = (rng.random((3, 40)) < rng.random((3, 1))).astype(bool)
        dice = [
            2 * (mask & reference).sum() / max((mask.sum() + reference.sum()), 1) for mask in (one, other)
        ]
        assert abs(dice[0] - dice[1]) <= 2 * export.jaccard_distance(one, other) + 1e-12
    assert export.jaccard_distance(np.zeros(3, bool), np.zeros(3, bool)) == 0


def test_a_label_without_a_word_gets_a_colour_of_its_own():
    settings = ExportParams.of(example("params_segmentation", "every_null_filled")["export"])
    details = model_record.label_details({**LABELS, "10": "other"}, settings)
    assert list(details) == ["1", "2", "10"]
    assert details["1"] == settings.labels["anterior"]
    assert details["2"] == ReleasedLabel(None, None, model_record.COLOURS[1])
    assert len({detail.colour for detail in details.values()}) == 3


def test_a_word_on_a_label_that_there_is_not_is_a_fault():
    settings = ExportParams.of(example("params_segmentation", "every_null_filled")["export"])
    assert model_record.unknown_labels(LABELS, settings) == []
    assert model_record.unknown_labels({"0": "background", "1": "lesion"}, settings) == [
        "export.labels: found anterior, which is none of lesion"
    ]


def test_the_smallest_cases_go_with_the_model():
    dataset = Dataset.of(example("dataset", "one_case"))
    [case] = dataset.cases
    sizes = {"b": (9, 9, 9), "a": (9, 9, 9), "c": (4, 5, 90), "d": (3, 3, 3)}
    cases = []
    for case_id, size in sizes.items():
        grid = dataclasses.replace(case.image.grid, size_voxels=size)
        image = dataclasses.replace(case.image, grid=grid)
        cases.append(dataclasses.replace(case, case_id=case_id, image=image))
    dataset = dataclasses.replace(dataset, cases=tuple(cases))

    def chosen(number: int) -> list[str]:
        return [case.case_id for case in model_record.golden_cases(dataset, ["a", "b", "c"], number)]

    assert (chosen(0), chosen(2), chosen(9)) == ([], ["a", "b"], ["a", "b", "c"])


def test_every_key_of_the_record_but_the_files_own_hash_is_of_the_contract():
    record = example("released_model", "hippocampus")
    before = model_record.contract_sha256(record)
    assert model_record.contract_sha256({**record, "sha256": "e" * 64}) == before
    for key in record.keys() - {"sha256"}:
        assert model_record.contract_sha256({**record, key: "changed"}) != before, key
    assert model_record.contract_sha256(ReleasedModel.of(record).record()) == before


def test_the_card_has_the_numbers_of_the_records():
    model = ReleasedModel.of(example("released_model", "hippocampus"))
    metrics = Metrics.of(example("metrics", "all_defined"))
    card = release_card.text(model, metrics, INTENDED_USE)
    dice = metrics.of_measure["dice"]["anterior"]
    assert f"| {dice.mean:.3f} ({dice.ci95_low:.3f} to {dice.ci95_high:.3f}) |" in card
    assert "| 1 | anterior | Hippocampus (SCT 5366008), Anterior (SCT 255549009) | #e69f00 |" in card
    assert "| 2 | posterior | no code |" in card
    assert model.notice in card
    for line in (*INTENDED_USE["must_not_be_used"], *INTENDED_USE["limits"]):
        assert f"- {line}\n" in card
    assert "How well that finds poor cases is not known." in card
    score = metrics.uncertainty["dropout"]
    scored = dataclasses.replace(metrics, uncertainty={"prediction": score})
    assert f"AUROC; 0.5 is chance): {score.auroc.value:.2f}" in release_card.text(model, scored, INTENDED_USE)
    assert "`golden/` has hippocampus_001" in card
    assert "It has no case to try it with." in release_card.text(
        dataclasses.replace(model, golden=()), metrics, INTENDED_USE
    )
    unknown = dataclasses.replace(model, review_above=None, licence=None, modality=None)
    assert "No threshold was set" in release_card.text(unknown, metrics, INTENDED_USE)
    assert "Licence: nobody said." in release_card.text(unknown, metrics, INTENDED_USE)


def test_a_record_as_it_is_written_is_read_as_it_was():
    record = example("released_model", "hippocampus")
    assert records.canonical(ReleasedModel.of(record).record()) == records.canonical(record)
