"""Numerics: threads, determinism, and the number format that the processor multiplies in."""
import contextlib
import os

import torch


def configure(numerics: str, threads: int) -> str:
    """Sets torch up for bitwise repeatable work. Call before the first tensor is computed.

    Args:
        numerics: "native" uses every instruction the processor has; "portable" caps them at AVX2 and keeps to fp32.
        threads: intra-op threads; another number gives other bytes.

    Returns:
        The instruction set in use, such as "AVX512": what bytes depend on beside the run_id.

    Raises:
        RuntimeError: "portable" was asked after torch had chosen its kernels.
    """
    if numerics == "portable":
        os.environ.update(ATEN_CPU_CAPABILITY="avx2", ONEDNN_MAX_CPU_ISA="AVX2", MKL_CBWR="AVX2,STRICT")
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    capability = torch.backends.cpu.get_cpu_capability()
    if numerics == "portable" and capability != "AVX2":
        raise RuntimeError(f"portable numerics need AVX2, torch uses {capability}")
    return f"{capability}, {'bf16' if uses_bf16(numerics) else 'fp32'}"


def uses_bf16(numerics: str) -> bool:
    """Whether convolutions run in bfloat16: natively where the processor multiplies it, else never."""
    return numerics == "native" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def autocast(numerics: str):
    """The context in which a network runs forward during training; losses stay outside, in fp32."""
    return torch.autocast("cpu", torch.bfloat16) if uses_bf16(numerics) else contextlib.nullcontext()
