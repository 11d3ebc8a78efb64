"""devices: what a machine can do, and that sharing out changes nothing."""

import dataclasses

import pytest
import torch

from radiotrace.learning import devices, numerics

HARDWARE = devices.Hardware(
    accelerator="cpu", devices=1, nodes=1, strategy="auto", numerics="native", precision="bf16", threads=1
)


@pytest.fixture(params=[True, False], ids=["bf16", "no bf16"])
def has_bf16(request, monkeypatch):
    monkeypatch.setattr(numerics, "processor_has_bf16", lambda: request.param)
    return request.param


def test_bf16_falls_back_to_fp32_where_the_processor_has_none(has_bf16):
    assert devices.number_format(HARDWARE) == ("bf16" if has_bf16 else "fp32")


@pytest.mark.parametrize(
    "changes", [{"precision": "fp32"}, {"numerics": "portable"}], ids=["asked for", "portable"]
)
def test_fp32_is_fp32_everywhere(has_bf16, changes):
    assert devices.number_format(dataclasses.replace(HARDWARE, **changes)) == "fp32"


def test_auto_is_the_processor_where_there_is_no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert not devices.on_gpu(dataclasses.replace(HARDWARE, accelerator="auto"))


def test_auto_is_the_gpu_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert devices.on_gpu(dataclasses.replace(HARDWARE, accelerator="auto"))


def test_a_processor_is_named_by_its_instructions_alone():
    assert devices.name(torch.device("cpu")) == "cpu"


def test_a_gpu_has_its_own_name(monkeypatch):  # checkpoints of one must not be taken up on another
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU number {device.index}")
    assert devices.name(torch.device("cuda", 1)) == "GPU number 1"


def test_a_gpu_that_is_not_there_is_a_fault(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.faults(dataclasses.replace(HARDWARE, accelerator="cuda")) == [
        "train.accelerator: found cuda, expected auto or cpu; torch sees no GPU"
    ]


@pytest.mark.parametrize(
    "format_and_autocast", [("bf16", torch.bfloat16), ("fp32", None)], ids=["bf16", "fp32"]
)
def test_the_forward_pass_multiplies_in_what_was_asked_for(format_and_autocast, monkeypatch):
    precision, dtype = format_and_autocast
    monkeypatch.setattr(numerics, "processor_has_bf16", lambda: True)
    with devices.launch(dataclasses.replace(HARDWARE, precision=precision)).autocast():
        assert torch.is_autocast_enabled("cpu") == (dtype is not None)
        assert dtype is None or torch.get_autocast_dtype("cpu") == dtype


def test_one_process_gathers_its_own_values():
    values = torch.tensor([0.5, 2.0], requires_grad=True)
    assert devices.gathered(devices.launch(HARDWARE), values) == [0.5, 2.0]


def test_one_process_merges_its_own_rows():
    assert devices.merged(devices.launch(HARDWARE), {1: "b"}) == {1: "b"}


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
def test_steps_come_in_order_whether_drawn_ahead_or_not(kind):  # the device is only asked for its kind
    assert list(devices.ahead(iter(range(7)), torch.device(kind))) == list(range(7))


def test_a_fault_while_drawing_ahead_arrives():
    def steps():
        yield 1
        raise ValueError("broken case")

    with pytest.raises(ValueError, match="broken case"):
        list(devices.ahead(steps(), torch.device("cuda")))
