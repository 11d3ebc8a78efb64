"""Numerics: threads, determinism, and what the processor can do."""

import ctypes
import os

import torch

MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1  # of mallopt(3)


def configure(numerics: str, threads: int) -> str:
    """Sets torch up for bitwise repeatable work. Call before the first tensor is computed.

    Args:
        numerics: "native" uses every instruction the processor has; "portable" caps them at AVX2 and keeps to
            fp32.
        threads: intra-op threads; another number gives other bytes.

    Returns:
        The instruction set in use, such as "AVX512": what bytes depend on beside the run_id.

    Raises:
        RuntimeError: "portable" was asked after torch had chosen its kernels.
    """
    if numerics == "portable":
        os.environ.update(ATEN_CPU_CAPABILITY="avx2", ONEDNN_MAX_CPU_ISA="AVX2", MKL_CBWR="AVX2,STRICT")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what determinism on a GPU asks for
    keep_memory()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    # It would fill each new tensor with NaN, so that a program that reads what it never wrote is found out; 3
    # % of a training step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # pyright: ignore[reportAttributeAccessIssue]
    capability = torch.backends.cpu.get_cpu_capability()
    if numerics == "portable" and capability != "AVX2":
        raise RuntimeError(f"portable numerics need AVX2, torch uses {capability}")
    torch.backends.cudnn.benchmark = False
    # Otherwise a GPU's convolutions round float32 to 10 bits of mantissa, as fp16 does: 1 % of a gradient,
    # measured on an H100.
    torch.backends.cudnn.allow_tf32 = False
    return capability


def processor_has_bf16() -> bool:
    """Whether the processor multiplies bfloat16; emulated, it would be slower than float32."""
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def keep_memory() -> None:
    """Lets malloc keep what this process frees, instead of handing it back after each large tensor and
    having the kernel clear other pages for the next: a tenth of a training step, and no byte of its
    result. Does nothing where the C library is not glibc."""
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(MMAP_THRESHOLD, 2**30)
        mallopt(TRIM_THRESHOLD, 2**31 - 1)
