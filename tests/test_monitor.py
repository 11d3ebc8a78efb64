"""monitor: phantoms of a site against the reference of an untrained network, and what is printed, written
and returned."""

import json
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk
from safetensors.torch import save_file

from radiotrace import records
from radiotrace.__main__ import main
from radiotrace.commands import monitor
from radiotrace.errors import StageError
from radiotrace.imaging import channels, volumes
from radiotrace.inference import windows
from radiotrace.inference.recipe import Recipe
from radiotrace.learning import architecture, embedding, state, trained
from radiotrace.records.network import NetworkSpec
from radiotrace.records.preprocessing import Preprocessing
from radiotrace.segmentation import features
from radiotrace.statistics import monitoring
from tests import phantoms, second_task
from tests.projects import ROOT

pytestmark = pytest.mark.usefixtures("deterministic")

SPEC = NetworkSpec("dynunet", (4, 8, 8), 3)


def phantom(number: int) -> sitk.Image:
    """An image that is stored as whole numbers, as scanners do."""
    return sitk.Cast(phantoms.pair(number, phantoms.rotation(number % 20))[0], sitk.sitkInt32)


def write(folder, numbers, spacing=phantoms.SPACING_XYZ) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        image = phantom(number)
        image.SetSpacing(spacing)
        sitk.WriteImage(image, str(folder / f"case_{number}.nii.gz"))


@pytest.fixture(scope="module")
def model(tmp_path_factory, deterministic):
    """A folder with train.json, weights.safetensors and reference.json."""
    folder = tmp_path_factory.mktemp("model")
    network = architecture.build(SPEC, seed=1).eval()
    save_file(state.of(network), folder / "weights.safetensors")
    train = json.loads((ROOT / "tests/schema_cases/train/valid/one_epoch.json").read_text("utf-8"))
    train |= {"network": SPEC.record(), "weights_sha256": records.sha256(folder / "weights.safetensors")}
    train["params"]["threads"] = 1
    train["preprocessing"] |= {"spacing_mm": None, "patch_voxels": [8, 8, 8], "multiple": 4}
    records.write(folder / "train.json", train, "train")
    cases = []
    for number in range(20):
        image = phantom(number)
        with embedding.watch(network, SPEC) as embedded:
            label_map, logits = windows.segment(
                phantoms.image(image), network, Recipe.of(Preprocessing.of(train["preprocessing"]))
            )
        cases.append(
            {
                "case_id": str(number),
                "subject_id": None,
                "embedding": embedded(),
                "features": features.describe(
                    phantoms.image(image), label_map, logits, train["labels"], "LPS"
                ),
            }
        )
    entropy = np.median([case["features"]["output"]["expected_dice_loss"] for case in cases])
    reference = monitoring.reference(
        cases,
        "a" * 64,
        train["weights_sha256"],
        ["validation"],
        0,
        {"feature": "expected_dice_loss", "above": float(entropy)},
    )
    records.write(folder / "reference.json", reference, "reference")
    return folder


@pytest.fixture
def run(model, tmp_path, monkeypatch, capsys):
    """The command in a temporary folder: words -> (exit status, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(monitoring, "PERMUTATIONS", 499)
    trained.load.cache_clear()

    def command(*words, **options):
        options = {
            "reference": model / "reference.json",
            "train": model / "train.json",
            "weights": model / "weights.safetensors",
        } | options
        status = main(
            [
                "monitor",
                *(str(word) for pair in options.items() for word in (f"--{pair[0]}", pair[1])),
                *map(str, words),
            ]
        )
        return status, *capsys.readouterr()

    command.folder = tmp_path
    return command


def test_cases_like_the_reference_are_ok(run):
    write(run.folder / "new", range(100, 115))
    status, out, _ = run("new")
    assert status == 0
    assert out.startswith(
        "15 cases of as many subjects, for all that is known, held against the medians of "
        "run aaaaaaaaaaaa\n\nfeature "
    )
    assert "\nok: No shift was found" in out


def test_another_spacing_is_an_alarm_with_a_status_of_its_own(run):
    write(run.folder / "new", range(100, 115), spacing=(0.9, 1.1, 1.2))
    status, out, _ = run("new")
    assert status == 3, out
    [spacing] = [line for line in out.splitlines() if line.startswith("spacing_z_mm")]
    assert spacing.split()[1:4] + spacing.split()[-1:] == ["1.7", "20", "1.2", "alarm"]
    assert "\nalarm: These cases differ" in out


def test_too_few_cases_have_a_status_too(run):
    write(run.folder / "new", range(100, 103))
    status, out, _ = run("new")
    assert status == 4
    assert "\ninsufficient_n: Too few subjects for any test." in out


def test_columns_are_aligned(run):
    write(run.folder / "new", range(100, 112))
    table = run("new")[1].split("\n\n")[1].splitlines()
    assert {line[line.index("ok") - 2 : line.index("ok")] for line in table[1:]} == {"  "}
    assert (
        len(
            {
                line.index(level)
                for line, level in zip(table, ["level", *["ok"] * (len(table) - 1)], strict=True)
            }
        )
        == 1
    )


def test_the_record_names_no_case_and_is_the_same_bytes(run):
    write(run.folder / "new", range(100, 112))
    for name in ("one.json", "two.json"):
        assert run("new", out=name)[0] == 0
    found = records.read("one.json", "monitoring")
    assert (run.folder / "one.json").read_bytes() == (run.folder / "two.json").read_bytes()
    assert found["inputs_sha256"] == sorted(records.sha256(path) for path in (run.folder / "new").iterdir())
    assert "case_1" not in (run.folder / "one.json").read_text()


# the limit is the reference's median, so that some lie above it
def test_flagged_cases_are_named_on_the_terminal(run):
    write(run.folder / "new", range(100, 112))
    out = run("new", out="found.json")[1]
    number = records.read("found.json", "monitoring")["flagged"]["new"]["flagged"]
    assert 0 < number < 12
    assert f"{number} of 12 cases go to an expert (expected_dice_loss above" in out
    assert sum(line.startswith("  case_1") for line in out.splitlines()) == number


# unrounded it is, by a digit that no record keeps
def test_the_case_that_set_the_limit_is_not_above_it(run, model, monkeypatch):
    reference = json.loads((model / "reference.json").read_text())
    limit = reference["flagging"]["above"]
    described = features.describe

    def at_the_limit(*words):
        found = described(*words)
        return found | {"output": found["output"] | {reference["flagging"]["feature"]: limit * (1 + 1e-12)}}

    monkeypatch.setattr(features, "describe", at_the_limit)
    write(run.folder / "new", range(100, 112))
    assert "0 of 12 cases go to an expert" in run("new")[1]


def test_folders_and_files_of_every_format_are_taken(run):
    write(run.folder / "new/a", range(100, 104))
    write(run.folder / "new/b", range(104, 108))
    for number, ending in ((200, "nii"), (201, "nrrd"), (202, "mha")):
        sitk.WriteImage(phantom(number), str(run.folder / f"other.{number}.{ending}"))
    (run.folder / "new/notes.txt").write_text("no image")
    assert (
        "11 cases of"
        in run("new", "other.200.nii", "other.201.nrrd", "other.202.mha", "new/a/case_100.nii.gz")[1]
    )


def test_cases_of_one_subject_count_once(run):
    write(run.folder / "new", range(100, 112))
    rows = [f"case_{number},s{number // 2},north" for number in range(100, 112)]
    (run.folder / "cases.csv").write_text("\n".join(["case_id,subject_id,site", *rows]))
    status, out, _ = run("new", subjects="cases.csv")
    assert status == 4
    assert out.startswith("12 cases of 6 subjects, held")


def test_every_fault_is_named_at_once(run):
    write(run.folder / "new", range(3))
    (run.folder / "new/case_0.nii.gz").write_bytes((run.folder / "new/case_0.nii.gz").read_bytes()[:500])
    nan = sitk.Cast(phantom(1), sitk.sitkFloat32)
    nan[0, 0, 0] = float("nan")
    sitk.WriteImage(nan, str(run.folder / "new/case_1.nii.gz"))
    (run.folder / "new/case_3.nii.gz").write_bytes((run.folder / "new/case_2.nii.gz").read_bytes())
    sitk.WriteImage(sitk.Image(8, 8, sitk.sitkUInt8), str(run.folder / "new/flat.nrrd"))
    write(run.folder / "more", [2])
    (run.folder / "scan.dcm").write_text("no image")
    (run.folder / "empty").mkdir()
    (run.folder / "cases.csv").write_text("case_id,subject_id\ncase_0,a\ncase_1,b\ncase_2,\ncase_3,d\n")
    status, out, error = run("new", "more", "scan.dcm", "empty", "absent.nii", subjects="cases.csv")
    with pytest.raises(volumes.VolumeError) as damage:
        volumes.read(run.folder / "new/case_0.nii.gz")
    cut = str(damage.value)
    assert cut.startswith("cut: ")
    assert (status, out) == (1, "")
    assert error.splitlines() == [
        "radiotrace: 10 faults in NEW_CASES",
        "  more/case_2.nii.gz: has the name of new/case_2.nii.gz",
        "  scan.dcm: not .nii.gz, .nii, .nrrd or .mha",
        "  empty: 0 images",
        "  absent.nii: no such file",
        "  case_2: no subject_id in cases.csv",
        "  cases.csv: no subject_id of flat",
        f"  new/case_0.nii.gz: {cut}",
        "  new/case_1.nii.gz: 1 voxels are NaN or infinite",
        "  new/case_3.nii.gz: the same bytes as new/case_2.nii.gz",
        "  new/flat.nrrd: found 2-D with 1 channels, expected 3-D with 1",
        "Correct them, or leave them out.",
    ]


def test_an_image_of_complex_values_is_a_fault(run):  # a traceback behind the others' results
    (run.folder / "new").mkdir()
    sitk.WriteImage(sitk.Image([18, 22, 14], sitk.sitkComplexFloat32), str(run.folder / "new/phase.nii"))
    status, out, error = run("new")
    assert (status, out) == (1, "")
    assert "new/phase.nii: holds values of type complex of 32-bit float" in error


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("id,subject_id\n1,2\n", "cases.csv: column case_id missing; found id, subject_id"),
        (None, "No such file or directory"),
    ],
)
def test_a_table_that_is_no_good_is_a_fault(run, table, message):
    write(run.folder / "new", [0])
    if table:
        (run.folder / "cases.csv").write_text(table)
    status, _, error = run("new", subjects="cases.csv")
    assert status == 1
    assert message in error


def test_the_reference_of_another_model_is_refused(run, model):
    write(run.folder / "new", [0])
    reference = records.read(model / "reference.json", "reference") | {"weights_sha256": "0" * 64}
    records.write(run.folder / "other.json", reference, "reference")
    status, _, error = run("new", reference="other.json")
    assert status == 1
    assert error.startswith("radiotrace: other.json is not of the model of ")


def test_weights_that_are_not_there_are_a_message(run):
    write(run.folder / "new", [0])
    status, _, error = run("new", weights="weights.safetensors")
    assert (status, error) == (
        1,
        "radiotrace: weights.safetensors is missing\n"
        "Run 'dvc pull' for the submitted run, or name the weights by --weights.\n",
    )


def test_commands_import_nothing_heavy_before_they_run():
    heavy = "{'dvc', 'monai', 'numpy', 'scipy', 'SimpleITK', 'torch'}"
    code = f"import sys, radiotrace.__main__; print(sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# Several channels


T2_ADC = [channels.named("T2"), channels.named("ADC")]


def write_channels(folder, **names_of) -> None:
    """Images of these endings, by case."""
    folder.mkdir()
    for number, (case_id, endings) in enumerate(names_of.items()):
        for ending in endings:
            image = phantom(10 * number + int(ending))
            image.CopyInformation(phantom(0))
            sitk.WriteImage(image, str(folder / f"{case_id}_{ending}.nii.gz"))


def test_files_of_a_case_are_its_channels_in_the_order_of_their_numbers(tmp_path):
    write_channels(tmp_path / "new", a=("0001", "0000"), b=("0000", "0001"))
    cases, _, hash_of = monitor.inputs([str(tmp_path / "new")], None, T2_ADC)
    assert {case.case_id: [path.name for path in case.paths] for case in cases} == {
        "a": ["a_0000.nii.gz", "a_0001.nii.gz"],
        "b": ["b_0000.nii.gz", "b_0001.nii.gz"],
    }
    assert len(hash_of) == 4


def test_channels_that_are_missing_too_many_or_elsewhere_are_all_named(tmp_path):
    folder = tmp_path / "new"
    write_channels(folder, a=("0000",), b=("0000", "0001", "0002"), c=("0000", "0001"))
    moved = phantom(77)
    moved.CopyInformation(phantom(0))
    moved.SetOrigin((0, 0, 0))
    sitk.WriteImage(moved, str(folder / "c_0001.nii.gz"))
    sitk.WriteImage(phantom(78), str(folder / "d.nii.gz"))
    with pytest.raises(StageError) as caught:
        monitor.inputs([str(folder)], None, T2_ADC)
    assert caught.value.findings == [
        f"{folder}/d.nii.gz: does not end in _0000, _0001, …, as a channel is named",
        "a: _0001 is missing",
        f"{folder}/b_0002.nii.gz: the model takes 2 channels, _0000 to _0001",
        f"{folder}/c_0001.nii.gz: origin_mm: found 0 0 0, expected -31.5 12.25 77, as c_0000.nii.gz has",
    ]


@pytest.mark.parametrize("said", [None, "T2", "ADC,T2", "T2,DWI"])
def test_channels_must_be_named_as_the_model_has_them(said):
    with pytest.raises(StageError, match="--channels T2,ADC"):
        monitor.declared_channels(said, T2_ADC)


def test_channels_that_are_named_rightly_are_taken():
    assert monitor.declared_channels("T2, ADC", T2_ADC) == T2_ADC


def test_a_model_of_one_channel_asks_for_no_name():
    assert len(monitor.declared_channels(None, [channels.named(None)])) == 1


def test_a_study_of_another_task_is_refused_by_its_name(run, monkeypatch):
    second_task.declare(run.folder, monkeypatch)
    write(run.folder / "new", [30])
    status, out, err = run("new")
    why = "it compares what segmentation sees in images and in label maps"
    assert (status, out) == (1, "")
    assert err == f"radiotrace: monitor knows no study of task second_task yet: {why}\n"
