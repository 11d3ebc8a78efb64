"""optimize: smaller variants predict, are the same bytes twice, and are released where they are as good; one
that is broken is found out."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.evidence.verify.levels import Clone
from radiotrace.inference import onnx_network, openvino_network, released_model, sliding, watched
from radiotrace.learning import quantising
from radiotrace.records.sections.segmentation.optimize import OptimizeParams
from radiotrace.records.variants import StoredFile, Variants, WorstCase
from radiotrace.segmentation import equivalence
from radiotrace.segmentation.equivalence import CaseResult
from radiotrace.segmentation.verification import rederive
from radiotrace.statistics import comparison
from stages.segmentation import optimize
from tests import examples, phantoms, released

ROOT = Path(__file__).resolve().parent.parent
SHAPE = (1, 1, 16, 20, 12)
RNG = np.random.default_rng(3)
PATCHES = [RNG.normal(0, 1, SHAPE).astype(np.float32) for _ in range(3)]
SETTINGS = OptimizeParams(("onnx_fp16",), 2, 0.005, 1)
STORED = [StoredFile("onnx_fp16/model.onnx", "a" * 64, 50)]
# By how much logits of the random network, of some 10, may differ: weights in float16 have 11 bits, 8 bits
# are 255 steps of a range.
TOLERANCE = {"onnx_fp16": 0.02, "onnx_int8": 2.0, "openvino_fp16": 0.02, "openvino_int8": 2.0}


@pytest.fixture(scope="module")
def made() -> dict[str, tuple]:
    """The files of each variant of a random network, made twice."""
    content = released.network()
    return {name: tuple(quantising.made(name, content, PATCHES) for _ in range(2)) for name in TOLERANCE}


def network(name: str, files, folder: Path):
    for file, content in files.items():
        (folder / file).write_bytes(content)
    return optimize.network_of(name, folder, 1)


@pytest.mark.parametrize("name", TOLERANCE)
def test_a_variant_is_the_same_bytes_twice(made, name):
    first, second = made[name]
    assert first.keys() == second.keys()
    assert all(first[file] == second[file] for file in first)


def test_8_bits_are_the_same_bytes_on_any_number_of_cores(made):
    cores = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(cores)})
        alone = quantising.made("openvino_int8", released.network(), PATCHES)
    finally:
        os.sched_setaffinity(0, cores)
    assert alone == made["openvino_int8"][0]


@pytest.mark.parametrize("name", TOLERANCE)
def test_a_variant_does_not_say_where_it_was_made(made, name):
    assert not any(os.fsencode(place) in file for file in made[name][0].values() for place in (ROOT, "/tmp"))  # noqa: S108


@pytest.mark.parametrize("name", TOLERANCE)
def test_a_variant_predicts_what_the_network_does(made, name, tmp_path):
    expected = onnx_network.of(released.network(), 1)(PATCHES[0])
    found = network(name, made[name][0], tmp_path)(PATCHES[0])
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    assert 0 < np.abs(found - expected).max() < TOLERANCE[name]


def test_openvino_runs_the_released_file_itself(tmp_path):
    (tmp_path / "model.onnx").write_bytes(released.network())
    expected = onnx_network.of(released.network(), 1)(PATCHES[1])
    assert openvino_network.of(tmp_path / "model.onnx", 1)(PATCHES[1]) == pytest.approx(expected, abs=1e-3)


def test_openvino_gives_arrays_that_the_next_pass_leaves_alone(tmp_path):
    (tmp_path / "model.onnx").write_bytes(released.network())
    predict = openvino_network.of(tmp_path / "model.onnx", 1)
    first = predict(PATCHES[0])
    kept = first.copy()
    predict(PATCHES[1])
    assert (first == kept).all()


def test_weights_are_stored_as_float16_and_inputs_and_outputs_stay_float32(made):
    model = onnx.load_from_string(made["onnx_fp16"][0]["model.onnx"])
    assert {tensor.data_type for tensor in model.graph.initializer} == {onnx.TensorProto.FLOAT16}
    ends = [*model.graph.input, *model.graph.output]
    assert {end.type.tensor_type.elem_type for end in ends} == {onnx.TensorProto.FLOAT}


def test_a_weight_that_float16_has_not_is_refused():
    model = onnx.load_from_string(released.network())
    tensor = model.graph.initializer[0]
    values = numpy_helper.to_array(tensor).copy()
    values.flat[0] = 1e5
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    with pytest.raises(ValueError, match="beyond 65504"):
        quantising.stored_as_half(model.SerializeToString())


def test_what_cannot_be_made_stops_the_stage_and_says_how_to_go_on(tmp_path):
    with pytest.raises(StageError) as caught:
        optimize.made("openvino_int8", b"no network", PATCHES, tmp_path)
    assert caught.value.headline == "the variant openvino_int8 cannot be made"
    assert caught.value.findings
    assert "optimize.variants" in str(caught.value)


def test_what_a_runtime_does_not_load_stops_the_stage_and_says_how_to_go_on(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"no network")
    for name in ("openvino", "onnx_int8"):
        with pytest.raises(StageError, match="does not load the network") as caught:
            optimize.network_of(name, tmp_path, 1)
        assert "optimize.variants" in str(caught.value)


def test_nothing_is_written_to_the_home_folder(tmp_path):
    """Where openvino_telemetry is found, it gives the user a number there and may send it."""
    (tmp_path / "home").mkdir()
    (tmp_path / "model.onnx").write_bytes(released.network())
    code = (
        "import numpy as np\nfrom radiotrace.inference import openvino_network\n"
        "from radiotrace.learning import quantising\n"
        f"patch = np.zeros({SHAPE}, np.float32)\n"
        f"path = {str(tmp_path / 'model.onnx')!r}\n"
        "openvino_network.of(path, 1)(patch)\n"
        "quantising.made('openvino_int8', open(path, 'rb').read(), [patch])\n"
    )
    subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "HOME": str(tmp_path / "home")}, check=True
    )
    assert list((tmp_path / "home").iterdir()) == []


# What the network sees


@pytest.fixture
def model(tmp_path) -> released_model.Released:
    changes = {"patch_voxels": [16, 16, 16], "window_voxels": [16, 16, 16]}
    return released_model.opened(released.write(tmp_path / "model", preprocessing=changes))


def test_ranges_are_measured_on_what_the_network_is_given_where_it_predicts(model, monkeypatch):
    image = phantoms.image(phantoms.volume(phantoms.image_array(phantoms.label_array(), 1)))
    given = []

    def watching(patch):
        given.append(patch)
        return np.zeros((1, 3, *patch.shape[2:]), np.float32)

    sliding.label(image, watching, model.recipe)
    monkeypatch.setattr(optimize.parts, "image", lambda case, raw: image)
    patches = optimize.calibration([{"case_id": "a"}], Path(), model)
    assert len(given) == len(patches) == 4  # 22 and 18 voxels in windows of 16
    assert all((found == expected).all() for found, expected in zip(patches, given, strict=True))


def test_of_many_windows_some_are_kept_evenly_spread():
    spread = watched.Spread(4)
    for place in range(20):
        spread.add(place, str(place))
    assert spread.kept == {0: "0", 8: "8", 16: "16"}


def test_logits_are_compared_window_by_window():
    kept, difference = watched.Spread(8), watched.Difference()
    ours = watched.outputs(lambda patch: patch * 2, kept)
    theirs = difference.of(lambda patch: patch * 2 + (patch > 1), kept)
    for value in (0.0, 1.0, 3.0):
        ours(np.full((1, 1), value))
        theirs(np.full((1, 1), value))
    assert difference.largest == 1


def test_a_logit_that_is_no_number_stays_in_the_difference():
    kept, difference = watched.Spread(8), watched.Difference()
    watched.outputs(lambda patch: patch, kept)(np.ones((1, 1)))
    broken = difference.of(lambda patch: patch * np.nan, kept)
    broken(np.ones((1, 1)))
    difference.of(lambda patch: patch, kept)(np.ones((1, 1)))
    assert np.isnan(difference.largest)


# Whether a variant is as good

REFERENCE = [0.8 + 0.01 * number for number in range(12)]
SCATTER = np.array([0.001, -0.001] * 6)


def test_the_process_that_quantises_ends_with_the_one_that_waits_for_it(tmp_path):
    """Also where that is killed, and cannot end it."""
    code = (
        "import numpy as np\nfrom radiotrace.learning import quantising\nfrom tests import released\n"
        f"quantising.made('openvino_int8', released.network(), [np.zeros({SHAPE}, np.float32)])\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    started = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
    while not (children := started.read_text().split()):
        assert parent.poll() is None
        time.sleep(0.01)
    parent.kill()
    parent.wait()
    child = Path(f"/proc/{children[0]}/stat")
    while child.is_file() and ") Z " not in child.read_text():
        time.sleep(0.01)
    [place] = tmp_path.iterdir()
    assert sorted(path.name for path in place.iterdir()) == ["model.onnx", "patches"]  # and nothing made


def results(*dice: float | None, **changes) -> list[CaseResult]:
    """Of cases of a label, each of a subject of its own."""
    volumes = {"head": 9.0, "tail": 9.0}
    rows = []
    for number, value in enumerate(dice):
        of_labels = dict.fromkeys(volumes, None if value is None else float(value))
        rows.append(CaseResult(f"p_{number:02d}", f"s_{number:02d}", of_labels, volumes, 0.02, **changes))
    return rows


def judged(found: list[CaseResult], reference=None, files=STORED, review_above: float | None = 0.03):
    reference = reference or results(*REFERENCE)
    return equivalence.judged("onnx_fp16", files, reference, found, SETTINGS, review_above, 100, 40)


def test_a_variant_that_is_as_good_and_smaller_is_released():
    variant = judged(results(*(REFERENCE + SCATTER), voxels_different=3))
    assert (variant.non_inferior, variant.smaller, variant.released) == (True, True, True)
    assert variant.dice["mean_of_labels"].difference == pytest.approx(0)
    assert variant.voxels_different == 36


@pytest.mark.requirement("SRS-OPT-1")
def test_one_that_is_worse_by_more_than_the_margin_is_not():
    variant = judged(results(*(REFERENCE + SCATTER - 0.006), voxels_different=3))
    assert (variant.non_inferior, variant.smaller, variant.released) == (False, True, False)


@pytest.mark.requirement("SRS-OPT-1")
def test_one_whose_interval_reaches_beyond_the_margin_is_not():  # mean -0.003, and SD 0.010
    variant = judged(results(*(REFERENCE + 10 * SCATTER - 0.003), voxels_different=3))
    low = variant.dice["mean_of_labels"].difference_ci95_low
    assert low is not None
    assert low < -0.005
    assert not variant.non_inferior


@pytest.mark.requirement("SRS-OPT-1")
def test_one_that_is_as_good_and_not_smaller_is_not_released():
    variant = judged(
        results(*(REFERENCE + SCATTER), voxels_different=3), files=[replace(STORED[0], bytes=100)]
    )
    assert (variant.non_inferior, variant.smaller, variant.released) == (True, False, False)


@pytest.mark.requirement("SRS-OPT-1")
@pytest.mark.parametrize(("size", "is_smaller"), [(100, False), (99, True), (100 - 1e-9, False)])
def test_a_form_is_smaller_by_a_hundredth_at_least(size, is_smaller):
    assert judged(results(*REFERENCE), files=[replace(STORED[0], bytes=size)]).smaller == is_smaller


def test_one_that_labels_every_voxel_alike_is_as_good_though_nothing_scatters():
    variant = judged(results(*REFERENCE))
    assert variant.dice["mean_of_labels"].no_interval == "no variance"
    assert (variant.non_inferior, variant.no_verdict) == (True, None)


def test_with_too_few_subjects_nothing_is_shown_and_the_reason_is_told():
    reference = results(*REFERENCE[:5])
    variant = judged(results(*(REFERENCE + SCATTER)[:5], voxels_different=1), reference)
    assert not variant.released
    assert variant.no_verdict == "no interval: fewer than 10 subjects"


@pytest.mark.requirement("SRS-OPT-1")
def test_a_label_that_it_loses_is_no_gain():
    found = results(*(REFERENCE + SCATTER), voxels_different=1)
    found[0] = replace(found[0], dice={"head": None, "tail": 0.8})
    variant = judged(found)
    assert variant.dice["mean_of_labels"].n_undefined_b_only == 1
    assert not variant.non_inferior


@pytest.mark.requirement("SRS-OPT-1")
def test_a_label_that_it_invents_in_healthy_cases_is_no_gain():
    healthy = [
        CaseResult(
            f"h_{number:02d}",
            f"t_{number:02d}",
            {"head": None, "tail": None},
            {"head": 0.0, "tail": 0.0},
            0.1,
        )
        for number in range(20)
    ]
    invented = [replace(case, dice={"head": 0.0, "tail": 0.0}, voxels_different=5000) for case in healthy]
    others = results(*[0.9] * 12)
    alike = [
        replace(case, dice={name: value + 1e-5 * number for name, value in case.dice.items()})
        for number, case in enumerate(others)
    ]
    assert judged([*alike, *healthy], [*others, *healthy]).released
    variant = judged([*alike, *invented], [*others, *healthy])
    assert not variant.non_inferior
    assert not variant.released
    assert variant.worst == WorstCase("h_00", -1.0)


@pytest.mark.requirement("SRS-OPT-1")
def test_a_label_that_gets_worse_is_not_made_up_for_by_another():
    others = results(*[0.8 + 0.001 * number for number in range(12)])
    changed = [
        replace(
            case,
            dice={
                name: value + (0.05 if place else -0.055)
                for place, (name, value) in enumerate(sorted(case.dice.items()))
            },
            voxels_different=9,
        )
        for case in others
    ]
    assert not judged(changed, others).non_inferior


@pytest.mark.requirement("SRS-OPT-1")
def test_the_case_that_it_loses_most_in_is_named():
    found = results(*(REFERENCE + SCATTER))
    found[4] = replace(found[4], dice={"head": 0.44, "tail": 0.84})  # mean 0.64 in place of 0.84
    worst = judged(found).worst
    assert worst is not None
    assert (worst.case_id, worst.dice_difference) == ("p_04", -0.2)


@pytest.mark.requirement("SRS-OPT-1")
def test_flags_that_change_are_counted_in_both_directions():
    reference, found = results(*REFERENCE), results(*REFERENCE)
    found[0] = replace(found[0], expected_dice_loss=0.031)
    reference[1] = replace(reference[1], expected_dice_loss=0.05)
    variant = judged(found, reference)
    assert variant.flags_changed == 2
    assert variant.expected_dice_loss_change == pytest.approx((0.011 + 0.03) / 12)
    assert judged(found, reference, review_above=None).flags_changed is None


def test_dice_of_a_label_map_is_of_each_label():  # 2 * 1 / (2 + 1), and none of the other
    reference, found = np.array([0, 1, 1]), np.array([0, 0, 1])
    labels = {"0": "background", "1": "head", "2": "tail"}
    assert equivalence.dice(reference, found, labels) == {"head": pytest.approx(2 / 3), "tail": None}


def test_a_variant_whose_weights_are_gone_is_not_released(model, tmp_path, monkeypatch):
    """The whole comparison, on phantoms that the network labels as the reference does."""
    content = (model.folder / "model.onnx").read_bytes()
    graph = onnx.load_from_string(content)
    for tensor in graph.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(np.zeros_like(numpy_helper.to_array(tensor)), tensor.name))
    good = onnx_network.of(content, 1)
    images = {
        f"p_{number:02d}": phantoms.image(
            phantoms.volume(phantoms.image_array(phantoms.label_array(), number))
        )
        for number in range(10)
    }
    references = {
        case_id: sliding.label(image, good, model.recipe).label_map for case_id, image in images.items()
    }
    monkeypatch.setattr(optimize.parts, "image", lambda case, raw: images[case["case_id"]])
    monkeypatch.setattr(optimize.parts, "label_map", lambda case, raw: references[case["case_id"]])
    ready = [
        optimize.Ready({"case_id": case_id, "subject_id": f"s{case_id}"}, tmp_path, model)
        for case_id in images
    ]
    zeroed = onnx_network.of(graph.SerializeToString(), 1)
    found = optimize.measured(ready, good, {"onnx_fp16": good, "onnx_int8": zeroed})
    assert found.voxels == 10 * 18 * 22 * 14
    same, broken = (
        equivalence.judged(name, STORED, found.reference, found.variants[name], SETTINGS, 0.5, 10**6, 9)
        for name in ("onnx_fp16", "onnx_int8")
    )
    assert (same.voxels_different, same.max_logit_difference, same.released) == (0, 0, True)
    assert broken.voxels_different > 0
    assert broken.max_logit_difference > 1
    assert (broken.non_inferior, broken.smaller, broken.released) == (False, True, False)


def students(folder: Path, **changes) -> Path:
    """What distil leaves, of one form."""
    record = examples.read(examples.CASES / "distilled/valid/two_forms.json")
    del record["forms"]["pruned"]
    (folder / "sparse").mkdir(parents=True)
    (folder / "sparse/model.onnx").write_bytes(released.network())
    record["forms"]["sparse"]["sha256"] = records.sha256(folder / "sparse/model.onnx")
    records.write(folder / "distilled.json", record | changes, "distilled")
    return folder


def test_networks_that_were_trained_are_taken_as_they_are(tmp_path):
    taught = optimize.students(students(tmp_path / "distil"), "a" * 64)
    assert list(taught.forms) == ["sparse"]


@pytest.mark.requirement("SRS-OPT-2")
def test_networks_of_another_run_or_of_other_bytes_stop_the_stage_with_all_faults(tmp_path):
    folder = students(tmp_path / "distil")
    (folder / "sparse/model.onnx").write_bytes(b"other")
    with pytest.raises(StageError) as caught:
        optimize.students(folder, "f" * 64)
    assert [fault.split(": ")[0] for fault in caught.value.findings] == [
        "sparse/model.onnx",
        "distilled.json",
    ]
    assert "expected " + "f" * 64 in caught.value.findings[1]


def test_zeros_make_a_file_smaller_only_where_it_is_packed(tmp_path):
    for name, values in (("full", RNG.normal(0, 1, 4000)), ("half", RNG.normal(0, 1, 4000))):
        weights = values.astype(np.float32)
        if name == "half":
            weights[np.argsort(np.abs(weights))[:2000]] = 0
        (tmp_path / name).write_bytes(weights.tobytes())
    full, half = (optimize.deflated_bytes([tmp_path / name]) for name in ("full", "half"))
    assert (tmp_path / "full").stat().st_size == (tmp_path / "half").stat().st_size == 16000
    assert half < 0.7 * full


@pytest.mark.requirement("SRS-OPT-2")
def test_the_worth_of_a_teacher_is_the_taught_network_minus_the_one_without():
    taught, alone = results(*(REFERENCE + SCATTER)), results(*REFERENCE)
    found = equivalence.worth_of_teacher(
        {"distilled": results(*(REFERENCE + SCATTER + 0.01)), "narrow": alone}, 0.005
    )
    assert found is not None
    assert found["mean_of_labels"].difference == pytest.approx(0.01)
    assert equivalence.worth_of_teacher({"distilled": taught}, 0.005) is None


def test_logits_that_are_no_numbers_stop_the_stage(model, monkeypatch):
    image = phantoms.image(phantoms.volume(phantoms.image_array(phantoms.label_array(), 1)))
    monkeypatch.setattr(optimize.parts, "image", lambda case, raw: image)
    monkeypatch.setattr(
        optimize.parts, "label_map", lambda case, raw: phantoms.volume(phantoms.label_array())
    )
    good = onnx_network.of((model.folder / "model.onnx").read_bytes(), 1)
    ready = [optimize.Ready({"case_id": "p_01", "subject_id": "s"}, Path(), model)]
    with pytest.raises(StageError, match="no numbers"):
        optimize.measured(ready, good, {"onnx_int8": lambda patch: good(patch) * np.nan})


# The record


@pytest.mark.parametrize("count", [0, -1, "all", None, 2.5])
def test_a_number_of_calibration_cases_that_is_none_is_refused(count):
    sections = examples.read(examples.CASES / "params_segmentation/valid/every_null_filled.json")
    sections["optimize"]["calibration_cases"] = count
    [fault] = records.faults(sections, "params_segmentation")
    assert fault.startswith("optimize.calibration_cases")


def test_what_is_released_follows_from_the_record():
    """As verify makes it again."""
    record = Variants.of(examples.read(examples.CASES / "released_variants/valid/hippocampus.json"))
    for variant in record.variants.values():
        again = equivalence.verdict(variant, record.params.margin_dice, record.reference.bytes)
        assert again == variant
    better = replace(record.variants["openvino"], smaller=True, released=True)
    again = equivalence.verdict(better, record.params.margin_dice, record.reference.bytes)
    assert (again.smaller, again.released) == (False, False)


def test_the_verdict_is_that_of_the_comparison_of_runs():
    for worse in (0.0, 0.004, 0.006):
        found = results(*(REFERENCE + SCATTER - worse), voxels_different=1)
        variant = judged(found)
        assert variant.non_inferior == (variant.dice["mean_of_labels"].verdict == "non-inferior")


@dataclass
class Sources:
    """As rederive takes them: records of a run, of which two cases are in the test part."""

    variants: dict
    clone: Clone
    distilled: dict

    def __getitem__(self, name: str) -> dict:
        rows = [{"case_id": "a", "subject_id": "s"}, {"case_id": "b", "subject_id": "t"}]
        return {
            "variants": self.variants,
            "cases": {"cases": rows},
            "model": {"sha256": self.reference["sha256"]},
            "distilled": self.distilled,
        }[name]

    @property
    def reference(self) -> dict:
        return self.variants["reference"]

    @property
    def train(self) -> dict:
        return {"run_id": self.variants["run_id"], "excluded": []}

    def params(self, name: str) -> dict:
        return dict(SETTINGS.record(), variants=["onnx_fp16", "openvino"])

    def part(self, name: str) -> list[str]:
        return ["p_01", "p_02"]


@pytest.fixture
def sources(tmp_path) -> Sources:
    record = examples.read(examples.CASES / "released_variants/valid/hippocampus.json")
    record |= {"n_cases": 2, "n_subjects": 2, "how": comparison.HOW}
    record["params"] |= {"calibration_cases": 2, "threads": 1}
    record["calibration"]["cases"] = ["p_01", "p_02"]
    for variant in record["variants"].values():
        for row in variant["dice"].values():
            row |= {"n_cases": 2, "n_subjects": 2}
    taught = examples.read(examples.CASES / "distilled/valid/none_asked_for.json")
    taught["not_made"] = dict(record["not_made"])
    return Sources(record, Clone(tmp_path, tmp_path, tmp_path, tmp_path), taught)


def test_what_verify_makes_again_is_the_record(sources):
    assert rederive.variants(sources) == []


def test_verify_finds_a_variant_that_is_released_and_should_not_be(sources):
    sources.variants["variants"]["openvino"]["released"] = True
    row = sources.variants["variants"]["onnx_fp16"]["dice"]["anterior"]
    row["difference_ci95_low"] = -0.02
    assert rederive.variants(sources) == [
        "variants.json: onnx_fp16 at /non_inferior states true, found false",
        "variants.json: onnx_fp16 at /released states true, found false",
        "variants.json: openvino at /released states true, found false",
    ]


def test_verify_finds_a_form_that_distil_made_and_nobody_compared(sources):
    sources.distilled = examples.read(examples.CASES / "distilled/valid/two_forms.json")
    faults = rederive.variants(sources)
    assert any(fault.startswith("variants.json at /variants") for fault in faults)
    assert any("at /not made" in fault for fault in faults)


@pytest.mark.requirement("SRS-OPT-2")
def test_verify_finds_a_form_of_another_network_than_the_one_that_was_trained(sources):
    sources.distilled = examples.read(examples.CASES / "distilled/valid/two_forms.json")
    sources.distilled["not_made"] = sources.variants["not_made"]
    del sources.distilled["forms"]["pruned"]
    sources.variants["variants"]["sparse"] = dict(sources.variants["variants"]["onnx_fp16"])
    said = "variants.json: sparse is of another network than distilled.json says"
    assert said in rederive.variants(sources)


def test_verify_finds_calibration_on_other_cases_than_the_parameters_say(sources):
    sources.variants["calibration"]["cases"] = ["p_01", "p_03"]
    [fault] = rederive.variants(sources)
    assert "calibrated on/1" in fault


def test_verify_finds_a_file_of_other_bytes(sources, tmp_path):
    (tmp_path / "build/optimize/onnx_fp16").mkdir(parents=True)
    (tmp_path / "build/optimize/onnx_fp16/model.onnx").write_bytes(b"other")
    assert rederive.variants(sources) == [
        "variants.json: onnx_fp16/model.onnx has another size",
        "variants.json: onnx_fp16/model.onnx has another SHA-256",
    ]


def test_verify_finds_a_file_that_is_missing_and_one_that_nobody_stated(sources, tmp_path):
    (tmp_path / "build/optimize").mkdir(parents=True)
    (tmp_path / "build/optimize/other.onnx").write_bytes(b"other")
    assert rederive.variants(sources) == [
        "variants.json: onnx_fp16/model.onnx is missing",
        "variants.json: other.onnx lies beside it and is not in it",
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"runtime": "OpenVINO"}, "onnx_fp16 at /runtime states"),
        ({"is_own_file": False}, "onnx_fp16 at /is_own_file states"),
        ({"voxels_different": 10**9}, "onnx_fp16: more voxels differ than were compared"),
        ({"flags_changed": 3}, "onnx_fp16: more flags changed than there are cases"),
        ({"difference": 0.5}, "onnx_fp16: anterior: the difference is not that of the means"),
        ({"difference_ci95_high": -0.9}, "onnx_fp16: anterior: the difference lies outside its interval"),
        ({"deflated_bytes": 10**8}, "onnx_fp16: deflated it is larger than as it is"),
        ({"n_cases": 3}, "onnx_fp16: anterior has more cases or subjects than there are"),
    ],
)
def test_verify_finds_numbers_that_do_not_fit_each_other(sources, change, said):
    variant = sources.variants["variants"]["onnx_fp16"]
    (variant if change.keys() <= variant.keys() else variant["dice"]["anterior"]).update(change)
    assert any(fault.startswith(f"variants.json: {said}") for fault in rederive.variants(sources))
