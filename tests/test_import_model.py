"""A model that was made elsewhere: what is refused, in which form it is computed, and that it is the same."""

import io
import json
import pickle
import zipfile

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from monai.networks.nets import UNet
from onnx import TensorProto, helper
from ruamel.yaml import YAML

from radiotrace import records
from radiotrace.commands import import_model
from radiotrace.errors import StageError
from radiotrace.evidence.bundle import contents
from radiotrace.imaging.child import Child, Refused
from radiotrace.inference import adapted, contracted, foreign_onnx, onnx_network
from radiotrace.learning import admission, architecture, foreign_torch, trained
from radiotrace.learning.networks import imported
from radiotrace.pipeline import params
from radiotrace.records.contract import ModelContract, Origin
from radiotrace.records.dataset import Dataset
from radiotrace.segmentation import explain
from tests import foreign_models, projects
from tests.foreign_models import LABELS, NAMES, altered, contract, convolution

ROOT = projects.ROOT


def noise(shape=(1, 1, 12, 20, 16), seed=1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


# --- what is refused


def forbidden(change) -> list[str]:
    return foreign_onnx.look(altered(convolution(), change))[1]


def external(model):
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.ClearField("raw_data")
    tensor.external_data.add(key="location", value="../secret")


def external_in_a_constant(model):
    tensor = helper.make_tensor("t", TensorProto.FLOAT, [1], [0.0])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    model.graph.node.append(helper.make_node("Constant", [], ["unused"], value=tensor))


def foreign_domain(model):
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))


def node_of_a_foreign_domain(model):
    model.graph.node[0].domain = "com.example"


def loop(model):
    body = helper.make_graph([], "body", [], [])
    model.graph.node.append(helper.make_node("Loop", ["", ""], ["turns"], body=body))


def function(model):
    model.functions.append(
        helper.make_function("", "own", ["a"], ["b"], [helper.make_node("Identity", ["a"], ["b"])], [])
    )


def many_nodes(model):
    nodes = [helper.make_node("Identity", ["volume"], [f"n{number}"]) for number in range(5000)]
    model.graph.node.extend(nodes)


def old_opset(model):
    model.opset_import[0].version = 16


def new_opset(model):
    model.opset_import[0].version = 26


def chance(model):
    model.graph.node.append(helper.make_node("RandomNormalLike", ["volume"], ["drawn"]))


def long_metadata(model):
    model.metadata_props.add(key="k", value="v" * 70_000)


@pytest.mark.requirement("SRS-IMP-1")
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (external, "external data: 1 tensors lie in other files"),
        (external_in_a_constant, "external data: 1 tensors lie in other files"),
        (foreign_domain, "operator domains: found com.microsoft"),
        (node_of_a_foreign_domain, "operator domains: found com.example"),
        (loop, "operators: found Loop, whose turns nothing limits"),
        (loop, "graphs within nodes: found some"),
        (function, "functions: found 1"),
        (many_nodes, "nodes: found 5003, at most 5000"),
        (old_opset, "opset: found 16, expected one from 17 to 25"),
        (new_opset, "opset: found 26, expected one from 17 to 25"),
        (chance, "operators: found RandomNormalLike, which draw by chance"),
        (long_metadata, "metadata: found 70001 bytes"),
    ],
)
def test_a_file_that_could_reach_or_do_more_than_a_network_is_refused_before_it_runs(change, expected):
    faults = forbidden(change)
    assert any(fault.startswith(expected) for fault in faults), faults


def test_every_fault_of_a_file_is_named_at_once():
    assert len(forbidden(lambda model: [external(model), old_opset(model), function(model)])) == 3


@pytest.mark.parametrize("content", [b"", b"garbage", convolution()[:200]])
def test_what_is_no_onnx_is_refused(content):
    looked, faults = foreign_onnx.look(content)
    assert faults
    assert looked is None or faults[0].startswith("does not pass onnx.checker")


def test_a_file_that_holds_passes():
    looked, faults = foreign_onnx.look(convolution())
    assert looked is not None
    assert faults == []
    assert (looked.opset, looked.nodes, looked.weights) == (18, 3, 84)


@pytest.mark.parametrize(
    ("content", "changes", "expected"),
    [
        (convolution(), {"layout": "channel_last"}, "input volume, axis 1: found 1, expected 12"),
        (convolution(), {"layout": "voxels"}, "input volume: found 5 axes, expected 2 for layout voxels"),
        (convolution(), {"name": "logits"}, "outputs: found given, expected logits"),
        (convolution(), {"overlap": "later"}, "output.overlap: found later, expected exclusive"),
        (convolution(), {"gives": "labels"}, "output.activation: found softmax, expected none for labels"),
        (convolution(), {"multiple": 7}, "input.multiple along x: found 7"),
        (convolution(), {"window": (16, 20, 8)}, "input.window_voxels along z: found 8, expected 12"),
    ],
)
def test_a_contract_that_does_not_fit_its_file_is_refused_with_both_values(content, changes, expected):
    looked, _ = foreign_onnx.look(content)
    assert looked is not None
    faults = foreign_onnx.misfits(looked, contract(**changes))
    assert any(fault.startswith(expected) for fault in faults), faults


def not_finite(model):
    model.graph.initializer[1].CopyFrom(
        onnx.numpy_helper.from_array(np.full(3, np.nan, np.float32), model.graph.initializer[1].name)
    )


@pytest.mark.requirement("SRS-IMP-1")
@pytest.mark.parametrize(
    ("content", "changes", "expected"),
    [
        (altered(convolution(), not_finite), {}, "values are not finite"),
        (
            convolution(),
            {"labels": NAMES[:2]},
            "output found of (1, 3, 12, 20, 16), expected (1, 2, 12, 20, 16)",
        ),
        (convolution(), {"gives": "probabilities"}, "probabilities found from"),
        (convolution(activation="Sigmoid"), {"gives": "probabilities"}, "probabilities of a voxel add up to"),
    ],
)
def test_a_first_run_on_zeros_finds_what_the_contract_does_not_say(content, changes, expected):
    faults = foreign_onnx.tried(content, contract(**changes))
    assert any(expected in fault for fault in faults), faults


@pytest.mark.requirement("SRS-IMP-1")
@pytest.mark.slow
def test_a_small_file_that_asks_for_64_gigabytes_ends_its_own_process_and_nothing_else():
    wide = helper.make_node(
        "ConstantOfShape",
        ["shape"],
        ["wide"],
        value=helper.make_tensor("v", TensorProto.FLOAT, [1], [1.0]),
    )
    nodes = [
        wide,
        helper.make_node("ReduceSum", ["wide"], ["sum"], keepdims=0),
        helper.make_node("Mul", ["volume", "sum"], ["given"]),
    ]
    dims = ["n", 1, "z", "y", "x"]
    content = foreign_models.file(nodes, dims, dims, {"shape": np.array([2**34], np.int64)}, "given")
    with pytest.raises(StageError) as refused:
        foreign_onnx.admitted(content, contract(labels=["background", "anterior", "posterior"]))
    assert any("does not run it" in line or "memory" in line for line in refused.value.findings)


# --- the form in which it is computed

CASES = [
    ("channel_first", ("z", "y", "x"), "", "logits", "softmax", "exclusive"),
    ("channel_first", ("x", "y", "z"), "Softmax", "probabilities", "softmax", "exclusive"),
    ("channel_last", ("z", "y", "x"), "Softmax", "probabilities", "softmax", "exclusive"),
    ("channel_last", ("y", "x", "z"), "", "logits", "softmax", "exclusive"),
    ("channel_last", ("z", "y", "x"), "Sigmoid", "probabilities", "sigmoid", "highest"),
    ("channel_first", ("z", "y", "x"), "", "logits", "sigmoid", "highest"),
    ("channel_first", ("z", "y", "x"), "", "logits", "sigmoid", "later"),
]


def by_torch() -> torch.Tensor:
    """Logits (1, 3, z, y, x) of `convolution` on noise, whatever layout it has, by torch."""
    kernel, bias = (torch.from_numpy(value) for value in foreign_models.weights(3))
    return torch.nn.functional.conv3d(torch.from_numpy(noise()), kernel, bias, padding=1)


@pytest.mark.requirement("SRS-IMP-1")
@pytest.mark.parametrize(("layout", "axes", "operator", "gives", "activation", "overlap"), CASES)
def test_in_every_layout_it_gives_the_labels_that_torch_gives(
    layout, axes, operator, gives, activation, overlap
):
    said = contract(layout, axes, gives, activation, overlap)
    own = adapted.adapted(convolution(layout, axes, operator), said, LABELS)
    found, logits = onnx_network.of(own, 1)(noise()), by_torch()
    if activation == "softmax":
        shares = torch.softmax(torch.from_numpy(found), 1)
        assert torch.allclose(shares, torch.softmax(logits, 1), atol=2e-6)
        return
    each = torch.sigmoid(logits)[:, 1:]  # background is not used
    expected = torch.where(each.amax(1) > 0.5, each.argmax(1) + 1, 0)
    if overlap == "later":
        expected = torch.where(each[:, 1] > 0.5, 2, torch.where(each[:, 0] > 0.5, 1, 0))
    assert np.array_equal(found.argmax(1), expected.numpy())


@pytest.mark.parametrize(("layout", "axes", "operator", "gives", "activation", "overlap"), CASES)
def test_the_admission_finds_it_equal_to_the_file_that_was_brought(
    layout, axes, operator, gives, activation, overlap
):
    said, content = contract(layout, axes, gives, activation, overlap), convolution(layout, axes, operator)
    own = adapted.adapted(content, said, LABELS)
    found = admission.parity(content, own, said, LABELS, iter([noise(), noise(seed=2)]), 1)
    assert found.windows == 2
    assert found.max_probability_difference < 1e-6
    assert admission.unequal(found) == []


@pytest.mark.requirement("SRS-IMP-1")
def test_the_admission_notices_axes_that_are_swapped():
    right, wrong = contract(axes=("z", "y", "x")), contract(axes=("x", "y", "z"))
    content = convolution()
    own = adapted.adapted(content, wrong, LABELS)
    cube = noise((1, 1, 16, 16, 16))
    found = admission.parity(content, own, right, LABELS, iter([cube]), 1)
    assert admission.unequal(found)


def test_labels_in_another_order_are_brought_into_that_of_the_study():
    turned = contract(labels=["posterior", "background", "anterior"])
    found = onnx_network.of(adapted.adapted(convolution(), turned, LABELS), 1)(noise())
    assert np.allclose(found, by_torch()[:, [1, 2, 0]].numpy(), atol=1e-5)


def test_offsets_of_the_contract_are_added():
    import dataclasses

    said = contract()
    with_offsets = dataclasses.replace(
        said, output=dataclasses.replace(said.output, logit_offsets=(0.0, 0.5, -1.0))
    )
    found = onnx_network.of(adapted.adapted(convolution(), with_offsets, LABELS), 1)(noise())
    offsets = np.reshape([0.0, 0.5, -1.0], (1, 3, 1, 1, 1))
    assert np.allclose(found, by_torch().numpy() + offsets, atol=1e-5)


def test_the_same_file_gives_the_same_bytes():
    assert adapted.adapted(convolution(), contract(), LABELS) == adapted.adapted(
        convolution(), contract(), LABELS
    )


def test_a_classifier_of_voxels_labels_each_by_itself():
    said = contract("voxels", gives="probabilities", name="shares")
    content = foreign_models.voxels()
    own = adapted.adapted(content, said, LABELS)
    image = noise()
    session = onnxruntime.InferenceSession(content)
    shares = session.run(["shares"], {"volume": image.reshape(-1, 1)})[0]
    found = onnx_network.of(own, 1)(image)
    assert np.array_equal(found.argmax(1).reshape(-1), shares.argmax(1))
    assert imported.untranslated(own) == ["ai.onnx.ml:LinearClassifier", "ai.onnx.ml:Normalizer"]


@pytest.mark.requirement("SRS-IMP-1")
def test_what_is_not_possible_is_named_with_its_reason():
    said = contract("voxels", gives="probabilities", name="shares")
    own = adapted.adapted(foreign_models.voxels(), said, LABELS)
    reasons = admission.not_possible(own, said, [])
    assert sorted(reasons) == ["adversarial", "dropout", "embedding", "explain"]
    assert "LinearClassifier" in reasons["adversarial"]
    network = admission.with_graph(own)
    with pytest.raises(StageError, match="has no gradient"):
        network(torch.from_numpy(noise()).requires_grad_())


# --- the network in torch


def small_unet() -> UNet:
    torch.manual_seed(0)
    return UNet(
        spatial_dims=3, in_channels=1, out_channels=3, channels=(4, 8, 8), strides=(2, 2), num_res_units=1
    ).eval()


SHAPE = foreign_torch.Shape(1, (12, 20, 16), (4, 4, 4))


@pytest.fixture(scope="module")
def unet() -> tuple[UNet, bytes]:
    network = small_unet()
    return network, foreign_torch.of_network(network, SHAPE, 18)


def test_torch_computes_the_graph_as_the_network_that_it_was_made_of(unet):
    network, content = unet
    own = admission.with_graph(adapted.adapted(content, contract(multiple=4), LABELS))
    image, same = (torch.from_numpy(noise()).requires_grad_() for _ in range(2))
    expected, found = network(image), own(same)
    assert torch.allclose(found, expected, atol=1e-5)
    expected.square().sum().backward()
    found.square().sum().backward()
    assert image.grad is not None
    assert same.grad is not None
    assert torch.allclose(same.grad, image.grad, atol=1e-3)


def test_its_levels_are_those_of_the_network(unet):
    said = contract(multiple=4)
    own = admission.with_graph(adapted.adapted(unet[1], said, LABELS))
    numbers, spec = admission.levels(own, contracted.recipe(said), said)
    assert len(numbers) == 3
    assert spec.strides == ((2, 2, 2), (2, 2, 2))
    assert spec.name == "imported"


def test_grad_cam_finds_the_levels_of_an_imported_network(unet):
    said = contract(multiple=4)
    content = adapted.adapted(unet[1], said, LABELS)
    numbers, spec = admission.levels(admission.with_graph(content), contracted.recipe(said), said)
    network = trained.built(spec, imported.tensors_of(content, numbers))
    patch = torch.from_numpy(noise())[0]
    inside = np.ones(patch.shape[1:], bool)
    for number in architecture.levels(spec):
        layer = architecture.level(network, spec, number)
        heat = explain.seg_grad_cam(network, layer, patch, 1, inside)
        assert heat.shape == patch.shape[1:]
        assert np.isfinite(heat).all()
        assert heat.max() > 0


def test_random_weights_are_its_own_in_another_order(unet):
    own = admission.with_graph(adapted.adapted(unet[1], contract(multiple=4), LABELS))
    image = torch.from_numpy(noise())
    before = {name: value.clone() for name, value in own.named_buffers()}
    first = own(image)
    own.scramble(1)
    assert not torch.allclose(own(image), first)
    for name, value in own.named_buffers():
        assert torch.equal(value.flatten().sort().values, before[name].flatten().sort().values)


# --- files of torch


@pytest.fixture(scope="module")
def pt2() -> bytes:
    free = {0: torch.export.Dim("n", min=1)}
    for axis, name in zip((2, 3, 4), "zyx", strict=True):
        free[axis] = 4 * torch.export.Dim(name, min=1)
    program = torch.export.export(small_unet(), (torch.zeros(2, 1, 12, 20, 16),), dynamic_shapes=(free,))
    written = io.BytesIO()
    torch.export.save(program, written)
    return written.getvalue()


def rewritten(content: bytes, path: str, change) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(written, "w") as new:
        for name in old.namelist():
            file = old.read(name)
            if name.endswith(path):
                value = json.loads(file)
                change(value)
                file = json.dumps(value).encode()
            new.writestr(name, file)
    return written.getvalue()


def a_pickle(config):
    next(iter(config["config"].values()))["use_pickle"] = True


def another_call(program):
    program["graph_module"]["graph"]["nodes"][0]["target"] = "torch.hub.load"


def an_expression(program):
    values = program["graph_module"]["graph"]["sym_int_values"]
    values["s0"] = {"as_expr": {"expr_str": "__import__('os').system('true')", "hint": None}}


@pytest.mark.requirement("SRS-IMP-1")
@pytest.mark.parametrize(
    ("path", "change", "expected"),
    [
        ("model_weights_config.json", a_pickle, "is a pickle"),
        ("models/model.json", another_call, "the program calls torch.hub.load"),
        ("models/model.json", an_expression, "which is not evaluated here"),
    ],
)
def test_a_pt2_that_would_run_code_is_refused(pt2, path, change, expected):
    with pytest.raises(Refused, match=expected):
        foreign_torch.sanitised(rewritten(pt2, path, change), SHAPE)


def test_of_a_pt2_no_sample_input_and_no_line_of_python_is_left(pt2):
    safe = foreign_torch.sanitised(pt2, SHAPE)
    with zipfile.ZipFile(io.BytesIO(safe)) as archive:
        [program] = [name for name in archive.namelist() if name.endswith("models/model.json")]
        read = json.loads(archive.read(program))
        [sample] = [name for name in archive.namelist() if "sample_inputs" in name]
        assert torch.load(io.BytesIO(archive.read(sample)), weights_only=True)[1] == {}
    assert read["guards_code"] == []


@pytest.mark.slow
def test_a_pt2_becomes_the_onnx_of_its_network(pt2):
    content = foreign_torch.of_pt2(pt2, SHAPE, 20)
    found = onnx_network.of(adapted.adapted(content, contract(multiple=4), LABELS), 1)(noise())
    with torch.inference_mode():
        assert np.allclose(found, small_unet()(torch.from_numpy(noise())).numpy(), atol=1e-4)


DEFINITION = {
    "_target_": "monai.networks.nets.UNet",
    "spatial_dims": 3,
    "in_channels": 1,
    "out_channels": 3,
    "channels": [4, 8, 8],
    "strides": [2, 2],
    "num_res_units": 1,
}


def write_bundle(folder, definition=DEFINITION, weights=None, **config):
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    labels = {str(number): name for number, name in enumerate(NAMES)}
    metadata = {"version": "1", "network_data_format": {"outputs": {"pred": {"channel_def": labels}}}}
    (folder / "configs/metadata.json").write_text(json.dumps(metadata))
    (folder / "configs/inference.json").write_text(json.dumps({"network_def": definition, **config}))
    torch.save(small_unet().state_dict() if weights is None else weights, folder / "models/model.pt")
    return folder


@pytest.mark.requirement("SRS-IMP-1")
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"_target_": "subprocess.run"}, "found subprocess.run, expected one of UNet"),
        ({"_target_": "monai.networks.nets.UNETR"}, "expected one of UNet"),
        ({"channels": "$__import__('os').system('true')"}, "an expression or a reference"),
        ({"channels": "@features"}, "an expression or a reference"),
        ({"act": {"_target_": "torch.nn.ReLU"}}, "which would be called"),
        ({"_requires_": "$print(1)"}, "_requires_ is not taken"),
    ],
)
def test_a_bundle_whose_network_would_be_evaluated_is_refused(change, expected):
    with pytest.raises(Refused, match=expected.replace("(", r"\(")):
        foreign_torch.network_of({"network_def": {**DEFINITION, **change}})


class Harmful:
    def __reduce__(self):
        return (print, ("this ran",))


@pytest.mark.requirement("SRS-IMP-1")
def test_a_bundle_whose_weights_are_a_pickle_of_code_is_refused(tmp_path, capsys):
    found = foreign_torch.bundle(write_bundle(tmp_path / "bundle", weights={"a": Harmful()}))
    assert found.definition is not None
    with pytest.raises(Refused, match="no file of plain tensors"):
        foreign_torch.of_bundle(found.definition, found.weights, SHAPE, 18)
    assert "this ran" not in capsys.readouterr().out


def test_a_bundle_with_torchscript_alone_is_refused(tmp_path):
    folder = write_bundle(tmp_path / "bundle")
    (folder / "models/model.pt").rename(folder / "models/model.ts")
    with pytest.raises(Refused, match="TorchScript, which is code"):
        foreign_torch.bundle(folder)


def test_offsets_that_a_bundle_adds_must_stand_in_the_contract(tmp_path):
    folder = write_bundle(tmp_path / "bundle", logit_offsets=[0.0, 0.1, 0.2])
    with pytest.raises(StageError) as refused:
        import_model.as_onnx(folder, contract(multiple=4))
    assert refused.value.findings[0].startswith("output.logit_offsets: found None, expected (0.0, 0.1, 0.2)")


@pytest.mark.slow
def test_a_bundle_becomes_the_onnx_of_its_network_in_another_process(tmp_path):
    brought = import_model.as_onnx(write_bundle(tmp_path / "bundle"), contract(multiple=4))
    assert brought.kind == "monai_bundle"
    assert sorted(brought.files) == ["configs/inference.json", "configs/metadata.json", "models/model.pt"]
    found = onnx_network.of(adapted.adapted(brought.content, contract(multiple=4), LABELS), 1)(noise())
    with torch.inference_mode():
        assert np.allclose(found, small_unet()(torch.from_numpy(noise())).numpy(), atol=1e-4)


# --- what is known and unknown


@pytest.mark.requirement("SRS-IMP-1")
def test_training_data_that_nobody_knows_are_said_to_be_unknown_and_block_the_release():
    said = contract()
    sentences = contracted.unknown(said)
    assert any("leakage cannot be excluded" in sentence for sentence in sentences)
    gaps = contents.elsewhere({"contract": said.__class__.record(said)})
    assert [row["item"] for row in gaps] == ["imported_run", "imported_run"]
    assert "leakage" in gaps[0]["gap"]
    known = contract(origin=Origin("us", "our scans", "CC0", "none"))
    assert contents.elsewhere({"contract": known.record()}) == []
    assert contents.elsewhere({"history": []}) == []


def test_cases_that_it_has_learnt_from_may_not_be_in_the_test_part():
    path = ROOT / "tests/schema_cases/dataset/valid/one_case.json"
    dataset = Dataset.of(json.loads(path.read_text("utf-8")))
    case_id = dataset.cases[0].case_id
    said = contract(origin=Origin("us", "yours", "CC0", (case_id,)))
    faults = contracted.misfits(said, dataset, LABELS, [case_id])
    assert any(fault.startswith("origin.study_cases: 1 of the test part") for fault in faults)


# --- the command


@pytest.mark.requirement("SRS-IMP-1")
@pytest.mark.parametrize("ending", [".pt", ".pth", ".pkl", ".joblib", ".ckpt", ".ts"])
def test_a_pickle_is_refused_with_the_reason_and_never_read(tmp_path, ending):
    path = tmp_path / f"model{ending}"
    path.write_bytes(pickle.dumps(Harmful()))
    with pytest.raises(StageError, match="runs whatever it says when it is read"):
        import_model.as_onnx(path, contract())


def test_keras_files_are_sent_to_their_converter(tmp_path):
    (tmp_path / "model.keras").write_bytes(b"PK")
    with pytest.raises(StageError, match="tf2onnx"):
        import_model.as_onnx(tmp_path / "model.keras", contract())


def test_a_contract_with_several_faults_names_all_of_them(tmp_path):
    said = contract().record()
    said["input"]["layout"], said["output"]["activation"] = "sideways", "relu"
    del said["origin"]["by"]
    path = tmp_path / "contract.yaml"
    path.write_text(json.dumps(said))
    with pytest.raises(StageError) as refused:
        import_model.read_contract(path)
    assert len(refused.value.findings) == 3


def test_params_change_where_they_must_and_stay_where_they_need_not():
    text = (ROOT / "params.yaml").read_text("utf-8")
    changed, told = import_model.with_imported(text, ["Conv"], 4)
    before, after = (YAML(typ="safe", pure=True).load(one) for one in (text, changed))
    assert params.faults(after) == []
    assert after["train"]["network"] == "imported"
    changed_sections = {key for key in before if before[key] != after[key]}
    assert changed_sections == {"task", "train", "evaluate", "report"}
    assert len(told) == 2
    assert import_model.with_imported(changed, ["Conv"], 4) == (changed, [])


def test_openvino_is_not_asked_for_operators_that_it_has_not():
    text = (ROOT / "params.yaml").read_text("utf-8")
    changed, told = import_model.with_imported(text, ["ai.onnx.ml:LinearClassifier"], 0)
    assert YAML(typ="safe", pure=True).load(changed)["optimize"]["variants"] == ["onnx_fp16"]
    assert len(told) == 3


def test_grad_cam_is_asked_of_a_level_that_there_is():
    text = (ROOT / "params.yaml").read_text("utf-8")
    changed, told = import_model.with_imported(text, ["Conv"], 1)
    assert YAML(typ="safe", pure=True).load(changed)["explain"]["level"] == 0
    assert "explain.level is 0 now, the lowest of its 1 levels" in told


def brought_into(folder, content: bytes, said: ModelContract):
    """A project with an imported model, after `dvc repro` up to the report."""
    project = projects.create(folder)
    (project.parent / "model.onnx").write_bytes(content)
    (project.parent / "contract.yaml").write_text(json.dumps(said.record()))
    told = projects.run(
        project,
        *("python", "-m", "radiotrace", "import-model", "../model.onnx", "--contract", "../contract.yaml"),
    )
    projects.run(project, "dvc", "add", "-q", "imported")
    projects.run(project, "dvc", "repro", "-q")
    return project, told


@pytest.mark.requirement("SRS-IMP-1")
@pytest.mark.slow
def test_a_channel_last_model_goes_through_the_whole_pipeline(tmp_path):
    said = contract("channel_last", gives="probabilities")
    (tmp_path / "project").mkdir()
    project, told = brought_into(
        tmp_path / "project", convolution("channel_last", activation="Softmax"), said
    )
    assert "leakage cannot be excluded" in told.stderr
    train = records.read(project / "build/train/train.json", "imported_run")
    assert train["parity"]["labels_different"] == 0
    model = records.read(project / "build/export/model.json", "released_model")
    assert model["learnt_from"] is None
    assert model["tried_on"]["cases"] == len(train["tried"]["validation"]) + len(train["tried"]["test"])
    assert model["parity"]["voxels_different"] == 0
    for page in ("build/report/index.html", "build/export/MODEL_CARD.md"):
        assert "leakage cannot be excluded" in (project / page).read_text("utf-8")
    traced = json.loads((project / "evidence/traceability.json").read_text())
    assert any(row["item"] == "imported_run" and "leakage" in row["gap"] for row in traced["gaps"])
    assert records.read(project / "evidence/imported_run.json", "imported_run") == train
    assert records.read(project / "metrics/robustness.json", "robustness")["adversarial"] is not None
    projects.run(project, *("python", "-m", "radiotrace", "predict", "build/export", "--self-test"))


@pytest.mark.requirement("SRS-IMP-1")
@pytest.mark.slow
def test_a_classifier_of_voxels_goes_through_and_what_it_cannot_is_said(tmp_path):
    said = contract("voxels", gives="probabilities", name="shares", patch=(8, 8, 8))
    (tmp_path / "project").mkdir()
    project, told = brought_into(tmp_path / "project", foreign_models.voxels(), said)
    assert "optimize.variants is onnx_fp16 now" in told.stderr
    robustness = records.read(project / "metrics/robustness.json", "robustness")
    assert robustness["adversarial"] is None
    assert "LinearClassifier" in robustness["no_attack_because"]
    explained = records.read(project / "build/explain/explain.json", "explain")
    assert "no gradient" in explained["not_possible"]
    report = (project / "build/report/index.html").read_text("utf-8")
    assert "No image was attacked" in report
    assert "Not possible, explain" in report


def test_the_child_that_converts_takes_what_it_is_told():
    with Child(foreign_onnx.LIMITS) as child:
        assert child.call(foreign_onnx.channel_axis, contract("channel_last").input) == -1
