"""segmentation_survival: losses, head, outcomes, ways to tell survival and what is measured of them."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from radiotrace.errors import StageError
from radiotrace.imaging.channels import Channel
from radiotrace.inference.recipe import Recipe
from radiotrace.learning import architecture
from radiotrace.learning.networks import dynunet_hazard
from radiotrace.records.dataset import Dataset
from radiotrace.records.network import NetworkSpec
from radiotrace.records.sections.segmentation_survival.hazard import HazardParams
from radiotrace.records.sections.segmentation_survival.survival import SurvivalParams
from radiotrace.records.segmentation_survival.hazard import Hazard, ToldCase
from radiotrace.segmentation_survival import joint, losses, outcomes, results, telling, ways
from radiotrace.segmentation_survival.outcomes import Outcomes
from radiotrace.statistics import cox, survival_scores

pytestmark = pytest.mark.usefixtures("deterministic")

EXAMPLES = Path(__file__).with_name("schema_cases") / "dataset/valid"
SPEC = NetworkSpec("dynunet_hazard", (4, 8, 8), 3, image_channels=2)
TIME = np.array([5.0, 3.0, 8.0, 3.0, 9.0, 1.0])
EVENT = np.array([True, True, False, True, True, False])
LP = np.array([0.2, 1.1, -0.4, 0.0, -1.0, 2.0])
SECTION = HazardParams(
    time="days", event="relapse", loss="cox", weight=0.1, refit_ridge=None, alone=False, seed=0
)
SETTINGS = SurvivalParams(
    horizons=(2.0, 4.0),
    risk_groups=2,
    calibration_groups=2,
    ridge=1.0,
    subgroup_subjects_min=2,
    scale_changes=(),
    noise_sd=(),
    threads=1,
    seed=0,
)


def tensors(*arrays):
    return [torch.as_tensor(np.asarray(array, np.float32)) for array in arrays]


def told(log_hazard: float, ml: float = 1.0, suvmax: float | None = 5.0) -> ToldCase:
    return ToldCase(float(log_hazard), {"node": 0.25 * ml, "primary": 0.75 * ml}, suvmax, 1)


def found(time=TIME, event=EVENT) -> Outcomes:
    names = tuple(f"case_{number}" for number in range(len(time)))
    return Outcomes(names, np.array([f"person_{name}" for name in names]), time, event)


def hazard_of(log_hazards, ml=None, **changes) -> Hazard:
    volumes = np.ones(len(log_hazards)) if ml is None else ml
    record = Hazard(
        run_id="0" * 64,
        weights_sha256="1" * 64,
        params=SECTION,
        n_train=len(log_hazards),
        n_events=int(EVENT.sum()),
        edges=(3.0, 9.0),
        offsets=None,
        cases={
            f"case_{number}": told(value, volumes[number], 3.0 + volumes[number])
            for number, value in enumerate(log_hazards)
        },
        alone=None,
    )
    return dataclasses.replace(record, **changes)


def recipe(edge: int = 12) -> Recipe:
    return Recipe(
        orientation="LPS",
        spacing_mm=None,
        channels=(Channel("PET", "PET", (0, 100)), Channel("CT", "CT", (0, 100))),
        patch_voxels=(edge, edge, edge),
        window_voxels=(edge, edge, edge),
        multiple=4,
    )


@pytest.mark.requirement("SRS-TIME-1")
def test_cox_of_all_samples_is_the_partial_likelihood():
    of_samples = losses.cox(*tensors(LP, TIME, EVENT))
    expected = cox.partial_log_likelihood(LP, TIME, EVENT, ties="breslow")
    assert float(of_samples.sum()) == pytest.approx(-expected, rel=1e-6)


@pytest.mark.requirement("SRS-TIME-1")
def test_cox_of_a_censored_sample_is_0():
    assert losses.cox(*tensors(LP, TIME, EVENT))[~EVENT].tolist() == [0.0, 0.0]


def test_cox_without_an_event_is_0_and_has_a_gradient():
    lp = torch.zeros(3, requires_grad=True)
    value = losses.cox(lp, *tensors([1, 2, 3], [0, 0, 0])).sum()
    value.backward()
    assert float(value.detach()) == 0
    assert lp.grad.tolist() == [0, 0, 0]


def test_cox_pulls_who_had_the_event_above_those_at_risk():
    lp = torch.zeros(2, requires_grad=True)
    losses.cox(lp, *tensors([1, 2], [1, 0])).sum().backward()
    assert lp.grad.tolist() == [-0.5, 0.5]


@pytest.mark.requirement("SRS-TIME-1")
def test_discrete_is_the_likelihood_by_hand():
    offsets, edges = tensors([-1.0, 0.5], [2.0, 6.0])
    lp, time, event = tensors([0.3, 0.3, 0.3, 0.3], [1, 5, 5, 9], [1, 1, 0, 0])
    first, second = 1 / (1 + np.exp(1.0 - 0.3)), 1 / (1 + np.exp(-0.5 - 0.3))
    expected = [
        -np.log(first),
        -np.log(1 - first) - np.log(second),
        -np.log(1 - first),  # censored within the second interval: of that one nothing is known
        -np.log(1 - first) - np.log(1 - second),
    ]
    assert losses.discrete(lp, offsets, time, event, edges).tolist() == pytest.approx(expected, rel=1e-6)


def test_the_chance_of_no_event_is_what_the_discrete_loss_learns():
    offsets, edges, lp = np.array([-1.0, 0.5, 0.0]), np.array([2.0, 6.0, 7.0]), np.array([0.3])
    survived = ways.of_intervals(lp, offsets, edges, np.array([0.0, 2.0, 4.0, 6.0, 7.0, 50.0]))[0]
    kept = 1 - 1 / (1 + np.exp(-(offsets + 0.3)))
    expected = [1, kept[0], kept[0] * kept[1] ** 0.5, kept[0] * kept[1], kept.prod(), kept.prod()]
    assert survived.tolist() == pytest.approx(expected)
    of_loss = losses.discrete(*tensors(lp, offsets, [9.0], [0], edges))
    assert float(torch.exp(-of_loss[0])) == pytest.approx(kept.prod(), rel=1e-6)


@pytest.mark.requirement("SRS-TIME-1")
def test_edges_are_quantiles_of_events_alone():
    time, event = np.array([1.0, 2, 3, 4, 100]), np.array([True, True, True, True, False])
    assert losses.edges(time, event, 2).tolist() == [2.5, 4]
    with pytest.raises(ValueError, match="4 distinct times of events, expected 5"):
        losses.edges(time, event, 5)


def test_told_gives_the_logits_of_the_network_itself():
    network = architecture.build(SPEC, 0).eval()
    image = torch.randn(2, 2, 12, 16, 8, generator=torch.Generator().manual_seed(0))
    logits, log_hazard = joint.told(architecture.body(network), image)
    assert torch.equal(logits, network(image))
    assert log_hazard.shape == (2,)


def test_a_hazard_does_not_depend_on_the_other_samples():
    body = architecture.body(architecture.build(SPEC, 0).eval())
    torch.nn.init.ones_(body.head.risk.weight)
    image = torch.randn(2, 2, 12, 12, 12, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        both, alone = joint.told(body, image)[1], joint.told(body, image[1:])[1]
    assert float(both[1]) == pytest.approx(float(alone[0]), abs=1e-5)


def test_the_loss_of_survival_reaches_the_encoder():
    network = joint.Joint(architecture.build(SPEC, 0)).train()
    torch.nn.init.ones_(network.body.head.risk.weight)
    image = torch.randn(4, 2, 12, 12, 12, generator=torch.Generator().manual_seed(0))
    heads, log_hazard = network(image)
    assert heads.shape == (4, 1, 3, 12, 12, 12)
    losses.cox(log_hazard, *tensors([4, 3, 2, 1], [1, 1, 1, 1])).sum().backward()
    first = next(network.body.body.input_block.parameters())
    assert float(first.grad.abs().sum()) > 0


def test_a_log_hazard_is_what_the_head_sees_times_its_weights():
    body = architecture.body(architecture.build(SPEC, 0).eval())
    joint.weights(body).copy_(torch.linspace(-1, 1, 8))
    image = torch.randn(2, 12, 8, 12, generator=torch.Generator().manual_seed(2))
    log_hazard, _ = joint.predict(image, body, recipe())
    assert log_hazard == pytest.approx(
        float(joint.seen(image, body, recipe()) @ np.linspace(-1, 1, 8)), abs=1e-5
    )


def test_burden_is_the_logarithm_of_volumes_and_of_the_highest_value_inside():
    image = torch.zeros(1, 2, 2, 2, 2)
    image[0, 0] = torch.arange(8.0).view(2, 2, 2) - 1
    shares = torch.zeros(1, 2, 8)
    shares[0, 0, :3] = 1  # its highest value is 1; the 6 lies outside
    shares[0, 1, 3] = 1  # and here it is 2
    found_burden = dynunet_hazard.burden(image, shares)[0].tolist()
    expected = [np.log1p(3 / 16), np.log1p(1 / 16), np.log1p(4 / 16), np.log1p(2 + dynunet_hazard.FLOOR)]
    assert found_burden == pytest.approx(expected, rel=1e-6)


def test_an_image_that_does_not_fit_the_window_has_no_hazard():
    with pytest.raises(StageError, match="a hazard is of a whole image"):
        joint.whole(torch.zeros(2, 12, 12, 13), recipe())


def test_a_small_image_lies_in_the_middle_and_its_label_map_is_its_own():
    body = architecture.body(architecture.build(SPEC, 0).eval())
    image = torch.randn(2, 8, 12, 10, generator=torch.Generator().manual_seed(1))
    window = joint.whole(image, recipe())
    assert torch.equal(window[0, :, 2:10, :, 1:11], image)
    log_hazard, label_zyx = joint.predict(image, body, recipe())
    with torch.inference_mode():
        logits, expected = joint.told(body, window)
    assert log_hazard == pytest.approx(float(expected[0]))
    assert label_zyx.tolist() == logits[0, :, 2:10, :, 1:11].argmax(0).tolist()


def test_offsets_of_logits_move_the_label_map_and_not_the_hazard():
    body = architecture.body(architecture.build(SPEC, 0).eval())
    image = torch.randn(2, 12, 12, 12, generator=torch.Generator().manual_seed(1))
    plain_hazard, _ = joint.predict(image, body, recipe())
    shifted = dataclasses.replace(recipe(), logit_offsets=(0.0, 1000.0, 0.0))
    log_hazard, label_zyx = joint.predict(image, body, shifted)
    assert log_hazard == plain_hazard
    assert (label_zyx == 1).all()


def test_lesions_are_measured_in_ml_on_their_own_grid():
    label_zyx = np.zeros((4, 5, 6), np.uint8)
    label_zyx[0, 0, :2], label_zyx[3, 4, 5], label_zyx[2, 3, 4] = 1, 2, 2
    first = np.arange(120.0).reshape(4, 5, 6)
    row = telling.measured(label_zyx, first, (1.0, 2.0, 5.0), {"0": "bg", "1": "a", "2": "b"}, 0.5)
    assert row.volume_ml == pytest.approx({"a": 0.02, "b": 0.02})
    assert (row.suvmax, row.components, row.log_hazard) == (119.0, 2, 0.5)  # b touches itself at a corner


def test_nothing_outlined_has_no_highest_value():
    row = telling.measured(np.zeros((2, 2, 2), np.uint8), np.ones((2, 2, 2)), (1, 1, 1), {"1": "a"}, 0.0)
    assert (row.volume_ml, row.suvmax, row.components) == ({"a": 0.0}, None, 0)


def dataset(columns=None, values=None) -> Dataset:
    record = Dataset.of(json.loads((EXAMPLES / "one_case.json").read_text()))
    cases = tuple(dataclasses.replace(case, values=values) for case in record.cases)
    identity = dataclasses.replace(record.dataset, columns=columns)
    return dataclasses.replace(record, dataset=identity, cases=cases)


@pytest.mark.parametrize(
    ("time", "event", "said"),
    [(0, 1, "days: found 0, expected a number above 0"), (3, 2, "relapse: found 2, expected 1")],
)
def test_an_outcome_that_cannot_be_is_named(time, event, said):
    from radiotrace.records.dataset import Column

    columns = {name: Column(role="target", kind="number") for name in ("days", "relapse")}
    broken = outcomes.faults(dataset(columns, {"days": time, "relapse": event}), "days", "relapse")
    assert broken
    assert all(said in line for line in broken)


def test_columns_that_nobody_declared_are_named():
    assert outcomes.faults(dataset(), "days", "relapse") == [
        "dataset.json declares no column days; found none",
        "dataset.json declares no column relapse; found none",
    ]


def test_the_network_survives_after_breslow_on_the_train_part():
    learnt, hazard = found(), hazard_of(LP)
    way = ways.network(hazard, [told(0.0), told(1.0)], learnt)
    baseline = cox.breslow(LP, TIME, EVENT)
    expected = np.exp(-baseline.at(np.array([4.0]))[0] * np.exp([0.0, 1.0]))
    assert way.survival(np.array([4.0]))[:, 0].tolist() == pytest.approx(expected.tolist())


def test_a_cox_model_of_volume_ranks_by_volume():
    volumes = np.array([3.0, 4.0, 1.0, 2.0, 0.4, 0.5])
    way = ways.volume([told(0, ml) for ml in volumes], [told(0, 1.0), told(0, 2.0)], found())
    assert way.risk[1] > way.risk[0]
    assert way.hazard_ratios["log volume"] > 1


def rows_of(risk) -> list[dict]:
    chances, groups = results.of_case(np.asarray(risk, float), hazard_of(LP), found(), SETTINGS)
    return [
        {
            "case_id": f"case_{number}",
            "subject_id": f"person_case_{number}",
            "time": TIME[number],
            "event": bool(EVENT[number]),
            "told": told(risk[number], 1 + number).record(),
            "alone": None,
            "reference": told(0.0, 2 + number, None if number == 0 else 6.0).record(),
            "survival": chances[number].tolist(),
            "risk_group": int(groups[number]),
            "dice": {"node": (0.8, 0.5), "primary": (None if number else 0.9, 0.5)},
        }
        for number in range(len(risk))
    ]


def test_a_summary_has_the_c_index_of_the_log_hazards_and_its_difference_to_the_others():
    hazard = hazard_of(LP, ml=np.array([3.0, 4.0, 1.0, 2.0, 0.4, 0.5]))
    summary = results.summary(rows_of(LP), hazard, found(), found(), {"site": {"case_0": "A"}}, SETTINGS)
    # pairs by hand: of the events at 3 (twice), 5 and 9, those with a later time and less risk
    assert summary["network"]["c_index"]["harrell"]["value"] == pytest.approx(7 / 8)
    volume = summary["others"]["volume"]["c_index"]["harrell"]["value"]
    assert summary["comparisons"]["volume"]["c_index"]["value"] == pytest.approx(7 / 8 - volume)
    assert summary["comparisons"]["alone"] is None
    assert summary["n_events"] == 4
    assert sum(curve["n"] for curve in summary["risk_groups"]["curves"]) == 6
    assert summary["subgroups"]["site"]["A"]["insufficient_n"]


def test_sharing_is_the_mean_difference_of_cases_where_both_are_defined():
    row = results.sharing(rows_of(LP), found().subjects)["dice"]
    assert row["node"]["value"] == pytest.approx(0.3)
    assert (row["primary"]["value"], row["primary"]["n_undefined"]) == (pytest.approx(0.4), 5)
    assert row["mean_of_labels"]["value"] == pytest.approx((0.35 + 5 * 0.3) / 6)


def test_burden_compares_volumes_of_all_and_values_where_both_have_lesions():
    burden = results.burden(rows_of(LP))
    assert burden["volume_ml"]["bias"] == pytest.approx(-1)
    assert burden["suvmax"]["n"] == 5
    assert burden["suvmax"]["bias"] == pytest.approx(-1)


def test_risk_groups_are_cut_at_quantiles_of_the_train_part():
    begins = results.cuts(hazard_of(LP), found(), 2)
    assert begins.tolist() == [pytest.approx(np.median(LP))]
    assert results.group_of(np.array([-1.0, begins[0], 3.0]), begins).tolist() == [0, 1, 1]


def test_the_score_without_predictors_is_that_of_the_curve_of_all():
    horizons = np.array([2.0, 4.0])
    curve = survival_scores.without_predictors(TIME, EVENT, horizons)
    each = survival_scores.briers(curve, TIME, EVENT, horizons)
    assert results.brier_without(found(), horizons) == pytest.approx(float(each.mean()))
    assert results.brier_without(found(TIME, ~EVENT), np.array([2.0, 99.0])) is None
