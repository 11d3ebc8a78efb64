"""numerics: the instructions that are used, and that bfloat16 computes what float32 does."""

import os
import platform
import subprocess
import sys

import pytest
import torch

from radiotrace.learning import architecture, numerics
from radiotrace.records.network import NetworkSpec
from tests.projects import ROOT

DEFAULT = NetworkSpec("dynunet", (16, 32, 64, 128), 3)
# of the norm: bfloat16 rounds by 2^-9 in each of about 20 layers; a wrong convolution is off by 1
BF16_ERROR = 0.05


@pytest.fixture(autouse=True)
def torch_settings():
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    filled, tf32 = torch.utils.deterministic.fill_uninitialized_memory, torch.backends.cudnn.allow_tf32
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)
    torch.utils.deterministic.fill_uninitialized_memory = filled
    torch.backends.cudnn.allow_tf32 = tf32


def relative_error(found, expected) -> float:
    return ((found.float() - expected).norm() / expected.norm()).item()


def weight_gradient(image, stride: int, numerics_name: str) -> torch.Tensor:
    """Gradient of the weights of a convolution to 128 channels, for a fixed gradient of its output."""
    weight = torch.nn.Parameter(
        torch.zeros(128, image.shape[1], 3, 3, 3).to(memory_format=torch.channels_last_3d)
    )
    with torch.autocast(
        "cpu", torch.bfloat16, enabled=numerics_name == "native" and numerics.processor_has_bf16()
    ):
        output = torch.nn.functional.conv3d(image, weight, None, stride, 1)
    output.float().backward(torch.randn(output.shape, generator=torch.Generator().manual_seed(1)))
    return weight.grad


def test_configure_names_the_instructions():
    assert numerics.configure("native", 1) == torch.backends.cpu.get_cpu_capability()


def test_configure_sets_the_threads():
    numerics.configure("native", 2)
    assert torch.get_num_threads() == 2


def test_configure_asks_for_deterministic_algorithms():
    torch.use_deterministic_algorithms(False)
    numerics.configure("native", 1)
    assert torch.are_deterministic_algorithms_enabled()


def test_configure_keeps_float32_whole_on_a_gpu():
    torch.backends.cudnn.allow_tf32 = True
    numerics.configure("native", 1)
    assert not torch.backends.cudnn.allow_tf32


def test_configure_spares_new_tensors_what_determinism_fills_them_with():
    torch.utils.deterministic.fill_uninitialized_memory = True
    torch.use_deterministic_algorithms(True)
    assert torch.empty(8).isnan().all()
    numerics.configure("native", 1)
    assert not torch.utils.deterministic.fill_uninitialized_memory


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
# tensors of 64 MB, one after the other: once the heap has settled, few of 20 get new pages of 4 kB
def test_memory_that_is_freed_is_kept():
    program = (
        "import resource, torch\nfrom radiotrace.learning import "
        "numerics\nnumerics.configure('native', 1)\n"
        "for _ in range(20): torch.ones(2**24)\nbefore = "
        "resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "for _ in range(20): torch.ones(2**24)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 5 * 2**26 / 4096


@pytest.mark.slow
# in a process of its own: torch chooses its kernels once
def test_portable_caps_the_instructions_at_avx2():
    program = "from radiotrace.learning import numerics; print(numerics.configure('portable', 1))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "AVX2\n"


def test_portable_after_torch_chose_its_kernels_is_refused(monkeypatch):
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    with pytest.raises(RuntimeError, match="torch uses AVX512"):
        numerics.configure("portable", 1)


@pytest.mark.parametrize("supported", ["_is_avx512_bf16_supported", "_is_amx_tile_supported"])
def test_either_instruction_set_is_enough_for_bf16(monkeypatch, supported):
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda name=name: name == supported)
    assert numerics.processor_has_bf16()


def test_without_either_there_is_no_bf16(monkeypatch):
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False)
    assert not numerics.processor_has_bf16()


# Guards against faults of oneDNN: bf16 conv3d is wrong where the innermost axis is 1. The default patch, z y
# x, and a small one. Without bf16 both sides are fp32 and must agree exactly.
@pytest.mark.parametrize("shape_zyx", [(40, 56, 40), (24, 24, 24)], ids=["default", "small"])
def test_the_default_network_computes_the_same_in_bf16(shape_zyx):
    network = architecture.build(DEFAULT, seed=0).to(memory_format=torch.channels_last_3d)
    image = torch.randn(1, 1, *shape_zyx, generator=torch.Generator().manual_seed(0)).to(
        memory_format=torch.channels_last_3d
    )
    with torch.no_grad():
        expected = network(image)
        with torch.autocast("cpu", torch.bfloat16, enabled=numerics.processor_has_bf16()):
            native = network(image)
    assert relative_error(native, expected) <= (BF16_ERROR if numerics.processor_has_bf16() else 0)


# oneDNN's weight gradient of a bf16 conv3d is garbage, another in each run, where z is 2; train.shape_faults
# keeps the lowest level at 3.
@pytest.mark.parametrize(
    ("shape_zyx", "stride"),
    [((5, 7, 5), 1), ((3, 3, 3), 1), ((6, 6, 6), 2)],
    ids=["default", "smallest", "above smallest"],
)
def test_the_lowest_level_has_the_same_gradient_in_bf16(shape_zyx, stride):
    image = torch.randn(2, 128, *shape_zyx, generator=torch.Generator().manual_seed(0)).to(
        memory_format=torch.channels_last_3d
    )
    native, expected = (weight_gradient(image, stride, name) for name in ("native", "portable"))
    # both factors round by 2^-9 = 0.002
    assert relative_error(native, expected) <= (0.01 if numerics.processor_has_bf16() else 0)
