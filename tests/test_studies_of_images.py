"""Studies of two channels, and of pictures, go through every stage from ingest to export; and what is wrong
with a channel stops the stage that can see it."""

import json

import numpy as np
import pytest
import torch

from radiotrace import __main__ as command_line
from radiotrace import records
from radiotrace.evidence.formats import croissant
from radiotrace.evidence.verify import derived, levels
from radiotrace.imaging import checks, volumes
from radiotrace.inference.recipe import Recipe
from radiotrace.pipeline import params
from radiotrace.records.distilled import Distilled
from radiotrace.records.preprocessing import Preprocessing
from radiotrace.records.variants import Variants
from radiotrace.segmentation.verification import balanced, rederive
from tests import phantoms, pipelines

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("deterministic")]

PICTURES = {"patch_voxels": [16, 20, 1], "window_voxels": [32, 32, 1]}
CLIPPED = {"T2": [0, 100], "ADC": [0.5, 99.5]}
THICK = {
    "strides": [[2, 2, 1], [2, 2, 2]],
    "kernels": [[3, 3, 1], [3, 3, 3], [3, 3, 3]],
    "patch_voxels": [16, 20, 8],
    "normalise_by": "labels",
}


@pytest.fixture(scope="module")
def two_channels(tmp_path_factory):
    """A folder in which all stages have run on phantoms of two channels."""
    folder = tmp_path_factory.mktemp("channels")
    phantoms.write_channels(folder / "data", 10)
    pipelines.lay_out(folder, train={"clip_percentiles": CLIPPED})
    assert pipelines.run(folder, *pipelines.STAGES) == [0] * len(pipelines.STAGES)
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder in which all stages have run on phantoms of one slice."""
    folder = tmp_path_factory.mktemp("pictures")
    phantoms.write_pictures(folder / "data", 10)
    pipelines.lay_out(folder, train=PICTURES, robustness={"corruptions": None})
    assert pipelines.run(folder, *pipelines.STAGES) == [0] * len(pipelines.STAGES)
    return folder


@pytest.fixture(scope="module")
def thick(tmp_path_factory):
    """A folder in which all stages have run with a network that halves x and y before z, on images that are
    normalised by the labelled voxels."""
    folder = tmp_path_factory.mktemp("thick")
    phantoms.write_dataset(folder / "data", 10)
    pipelines.lay_out(folder, train=THICK)
    assert pipelines.run(folder, *pipelines.STAGES) == [0] * len(pipelines.STAGES)
    return folder


def with_clone(folder) -> "Sources":
    """Records, and where the files of the run lie."""
    sources = Sources(folder)
    sources.clone = levels.Clone(folder, folder, folder, folder)
    return sources


STUDIES = pytest.mark.parametrize("study", ["two_channels", "pictures", "thick"])


class Sources:
    """As rederive takes them: the records of a run, by name."""

    def __init__(self, folder):
        self.folder = folder
        self.train = self["train"]

    def __getitem__(self, name):
        where = {"dataset": "ingest", "findings": "validate", "accepted": "validate", "distilled": "distil"}
        return records.read(self.folder / f"build/{where.get(name, name)}/{name}.json", name)

    def params(self, name):
        values = params.load(self.folder / "params.yaml", name, seed=name in ("train", "distil"))
        return json.loads(records.dumps(values))

    def part(self, name):
        return sorted(case for case, row in self["split"]["cases"].items() if row["part"] == name)


# Two channels


@pytest.mark.parametrize("study", ["two_channels", "pictures", "thick"])
def test_variants_are_held_against_the_released_file_and_those_that_are_released_lie_there(study, request):
    folder = request.getfixturevalue(study)
    record = Variants.of(records.read(folder / "build/optimize/variants.json", "released_variants"))
    model = records.read(folder / "build/export/model.json", "released_model")
    assert (record.run_id, record.reference.sha256) == (model["run_id"], model["sha256"])
    assert list(record.variants) == ["distilled", "narrow", "onnx_fp16", "openvino", "pruned", "sparse"]
    assert record.teacher is not None
    assert not record.variants["openvino"].smaller
    split = records.read(folder / "build/split/split.json", "split")["cases"]
    assert {split[case_id]["part"] for case_id in record.calibration.cases} == {"train"}
    there = {path.parent.name for path in (folder / "build/optimize").glob("*/*")}
    assert there == {name for name, variant in record.variants.items() if variant.released}
    lines = (folder / "design/test_openings.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["stage"] for line in lines].count("optimize") == 1


def test_variants_are_the_same_bytes_twice(two_channels):
    files = sorted(path for path in (two_channels / "build/optimize").rglob("*") if path.is_file())
    before = [path.read_bytes() for path in files]
    assert pipelines.run(two_channels, "optimize") == [0]
    assert [path.read_bytes() for path in files] == before


def test_smaller_networks_are_the_same_bytes_twice(two_channels):
    """Though the generator of the process stands elsewhere the second time."""
    files = sorted(path for path in (two_channels / "build/distil").rglob("*") if path.is_file())
    assert len(files) == 6  # four forms, and two records
    before = [path.read_bytes() for path in files]
    torch.manual_seed(77)
    assert pipelines.run(two_channels, "distil") == [0]
    assert [path.read_bytes() for path in files] == before


@STUDIES
def test_smaller_networks_are_as_their_record_says_and_have_not_seen_the_test_part(study, request):
    folder = request.getfixturevalue(study)
    record = Distilled.of(records.read(folder / "build/distil/distilled.json", "distilled"))
    split = records.read(folder / "build/split/split.json", "split")["cases"]
    assert {split[case_id]["part"] for case_id in record.cases.train} == {"train"}
    assert {split[case_id]["part"] for case_id in record.cases.validation} <= {"validation"}
    assert [form.teacher for _, form in sorted(record.forms.items())] == [True, False, True, False]
    assert record.forms["sparse"].zeros > 0.45 * record.forms["sparse"].weights
    assert record.forms["distilled"].network == record.forms["narrow"].network
    assert record.forms["distilled"].sha256 != record.forms["narrow"].sha256
    narrow, pruned, sparse = (record.forms[name].weights for name in ("narrow", "pruned", "sparse"))
    assert narrow <= pruned < sparse  # the tiny network has too few channels for two widths
    assert all(form.logit_offsets for form in record.forms.values())


@STUDIES
def test_verify_finds_nothing_wrong_with_smaller_networks(study, request):
    assert rederive.distilled(with_clone(request.getfixturevalue(study))) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"run_id": "0" * 64}, "/run_id"),
        ({"forms": {}}, "/forms and not_made"),
        ({"cases": {"train": ["phantom_00"], "validation": []}}, "/cases"),
    ],
)
def test_verify_finds_smaller_networks_of_another_run(two_channels, monkeypatch, change, said):
    sources = with_clone(two_channels)
    read, stated = Sources.__getitem__, sources["distilled"] | change
    monkeypatch.setattr(
        Sources, "__getitem__", lambda self, name: stated if name == "distilled" else read(self, name)
    )
    assert any(said in fault for fault in rederive.distilled(sources))


def test_the_record_of_the_data_set_has_each_channel_and_its_file(two_channels):
    dataset = records.read(two_channels / "build/ingest/dataset.json", "dataset")
    assert dataset["dataset"]["channels"] == [
        {"name": "T2", "modality": "MRI"},
        {"name": "ADC", "modality": "MRI"},
    ]
    case = dataset["cases"][0]
    (second,) = case["further_channels"]
    assert (case["image"]["path"], second["path"]) == (
        "imagesTr/phantom_00_0000.nii.gz",
        "imagesTr/phantom_00_0001.nii.gz",
    )
    assert second["sha256"] == records.sha256(two_channels / "data/imagesTr/phantom_00_0001.nii.gz")


def test_the_released_model_says_its_channels_in_their_order(two_channels):
    model = records.read(two_channels / "build/export/model.json", "released_model")
    assert model["preprocessing"]["channels"] == [
        {"name": "T2", "modality": "MRI", "clip_percentiles": [0, 100]},
        {"name": "ADC", "modality": "MRI", "clip_percentiles": [0.5, 99.5]},
    ]
    assert model["network"]["image_channels"] == 2
    assert model["modality"] == "T2, ADC"


@STUDIES
def test_the_released_file_predicts_what_was_measured(study, request):
    model = records.read(request.getfixturevalue(study) / "build/export/model.json", "released_model")
    assert model["parity"]["voxels_different"] == 0
    assert model["parity"]["max_logit_difference"] < 1e-3


@STUDIES
def test_what_follows_from_records_is_derived_from_them_again(study, request):
    sources = Sources(request.getfixturevalue(study))
    assert derived.accepted_cases(sources, checks) == []
    assert rederive.trained(sources) == []


def test_swapped_channels_in_the_record_of_training_are_found(two_channels):
    sources = Sources(two_channels)
    sources.train["preprocessing"]["channels"].reverse()
    assert any("/preprocessing/channels" in fault for fault in rederive.trained(sources))


def test_croissant_has_the_file_of_each_channel(two_channels):
    sources = Sources(two_channels)
    card = params.load_yaml(two_channels / "design/dataset_card.yaml")
    found = croissant.croissant(sources["dataset"], sources["split"], card)
    files = {row["@id"] for row in found["distribution"] if row["@type"] == "cr:FileObject"}
    assert len(files) == 10 * 3
    row = found["recordSet"][0]["data"][0]
    assert row["cases/image_0001"] == "imagesTr/phantom_00_0001.nii.gz"
    assert row["cases/image_0001_sha256"] == records.sha256(two_channels / "data" / row["cases/image_0001"])


def test_explanations_say_that_channels_are_not_told_apart(two_channels):
    method = records.read(two_channels / "build/explain/explain.json", "explain")["method"]
    assert "Channels of the image are not told apart" in method


def test_the_page_says_which_channel_its_pictures_show(two_channels):
    page = (two_channels / "build/report/index.html").read_text("utf-8")
    assert "Pictures show the channel T2, the first of 2." in page
    pages = list((two_channels / "build/report/cases").glob("*.html"))
    assert (
        len(pages) == page.count('<a href="cases/') / 2
    )  # of ten or fewer cases, each is among the worst, too
    assert all("Channel shown: T2, the first of 2." in one.read_text("utf-8") for one in pages)


def test_the_page_of_a_picture_has_its_one_slice(pictures):
    [first, *_] = sorted((pictures / "build/report/cases").glob("*.html"))
    text = first.read_text("utf-8")
    assert text.count("<figure") == 1
    assert "slice 1 of 1" in text


def test_channels_that_were_swapped_after_training_are_refused(two_channels, capsys):
    path = two_channels / "build/ingest/dataset.json"
    before = path.read_bytes()
    dataset = records.read(path, "dataset")
    dataset["dataset"]["channels"].reverse()
    records.write(path, dataset, "dataset")
    try:
        assert pipelines.run(two_channels, "evaluate") == [1]
    finally:
        path.write_bytes(before)
    assert "channels: found 2 (ADC, T2), expected 2 (T2, ADC)" in capsys.readouterr().err


def stopped(folder, capsys, *names: str) -> str:
    """What the last of these stages says, as it stops and the others do not."""
    pipelines.accept(folder)
    assert pipelines.run(folder, *names) == [0] * (len(names) - 1) + [1]
    return capsys.readouterr().err


def test_a_channel_on_another_grid_stops_validate(tmp_path, capsys):
    phantoms.write_channels(tmp_path / "data", 4)
    path = tmp_path / "data/imagesTr/phantom_02_0001.nii.gz"
    volume = volumes.read(path)
    volume.SetSpacing((0.9, 1.1, 1.8))
    volumes.write(volume, path)
    said = stopped(pipelines.lay_out(tmp_path), capsys, "ingest", "validate")
    assert "validate: 1 of 4 cases fail" in said
    assert "channel_grid_spacing_mm  channel ADC 0.9 1.1 1.8; expected channel T2 0.9 1.1 1.7" in said


def test_a_missing_channel_stops_ingest(tmp_path, capsys):
    phantoms.write_channels(tmp_path / "data", 4)
    (tmp_path / "data/imagesTr/phantom_02_0001.nii.gz").unlink()
    said = stopped(pipelines.lay_out(tmp_path), capsys, "ingest")
    assert "phantom_02: imagesTr/phantom_02_0001.nii.gz is missing" in said


def test_percentiles_of_channels_that_are_not_there_stop_train(tmp_path, capsys):
    phantoms.write_channels(tmp_path / "data", 10)
    folder = pipelines.lay_out(tmp_path, train={"clip_percentiles": {"T1": [0, 100], "ADC": [0, 100]}})
    said = stopped(folder, capsys, "ingest", "validate", "split", "train")
    assert "train.clip_percentiles: found T1, ADC, expected the channels of the data set, T2, ADC" in said


def test_new_cases_are_held_against_the_reference_where_their_channels_are_named(two_channels, capsys):
    said = {}
    for names in ("T2,ADC", "ADC,T2"):
        words = [
            "monitor",
            str(two_channels / "data/imagesTr"),
            *("--reference", str(two_channels / "build/evaluate/results/reference.json")),
            *("--train", str(two_channels / "build/train/train.json")),
            *("--weights", str(two_channels / "build/train/weights.safetensors")),
            *("--channels", names),
        ]
        status = command_line.main(words)
        said[names] = status, capsys.readouterr()
    status, told = said["T2,ADC"]
    assert status != 1
    assert "intensity_mean.ADC" in told.out
    status, told = said["ADC,T2"]
    assert status == 1
    assert "channels: found 2 (ADC, T2), expected 2 (T2, ADC)" in told.err


# Pictures


def test_a_prediction_of_a_picture_is_a_picture_on_its_grid(pictures):
    cases = records.read(pictures / "metrics/cases.json", "cases")["cases"]
    for case in cases:
        prediction = volumes.read(pictures / "build/evaluate/results/predictions" / case["prediction"])
        image = volumes.read(pictures / f"data/imagesTr/{case['case_id']}.nii.gz")
        assert prediction.GetSize() == image.GetSize()
        assert np.allclose(prediction.GetDirection(), image.GetDirection())


def test_the_network_of_pictures_takes_a_slice_at_a_time(pictures):
    train = records.read(pictures / "build/train/train.json", "train")
    assert train["network"]["one_slice"] is True
    assert Recipe.of(Preprocessing.of(train["preprocessing"])).patch_voxels == (16, 20, 1)


def test_pictures_meet_every_corruption_but_missing_slices(pictures):
    robustness = records.read(pictures / "metrics/robustness.json", "robustness")
    assert "missing_slices" not in robustness["corruptions"]
    assert {"rotation", "shift", "motion", "spike"} < robustness["corruptions"].keys()
    assert robustness["repeatability"]["n_predictions"] == 1 + 4


def test_a_patch_of_several_slices_is_refused_for_pictures(tmp_path, capsys):
    phantoms.write_pictures(tmp_path / "data", 10)
    said = stopped(pipelines.lay_out(tmp_path), capsys, "ingest", "validate", "split", "train")
    assert "train.patch_voxels: found [16, 20, 12], expected 1 along z" in said


# Thick slices


def test_the_released_model_says_how_images_are_normalised_and_what_edges_are_multiples_of(thick):
    model = records.read(thick / "build/export/model.json", "released_model")["preprocessing"]
    assert model["multiple"] == [4, 4, 2]
    assert model["intensities"].keys() == {"low", "high", "mean", "sd"}
    network = records.read(thick / "build/train/train.json", "train")["network"]
    assert (network["strides"], network["kernels"]) == (THICK["strides"], THICK["kernels"])


@pytest.mark.parametrize("name", ["low", "mean"])
def test_intensities_that_the_train_part_does_not_have_are_found(thick, name):
    path = thick / "build/train/train.json"
    before = path.read_bytes()
    clone = levels.Clone(thick, thick / "evidence", thick / "signatures", thick / "keys")
    assert balanced.check(clone).faults == []
    record = records.read(path, "train")
    record["preprocessing"]["intensities"][name] += 1
    path.chmod(0o644)
    records.write(path, record, "train")
    try:
        faults = balanced.check(clone).faults
    finally:
        path.write_bytes(before)
    assert any("intensities of channel" in fault for fault in faults)


def test_intensities_that_are_missing_are_found(thick):
    sources = Sources(thick)
    del sources.train["preprocessing"]["intensities"]
    assert any("normalised by" in fault for fault in rederive.trained(sources))
