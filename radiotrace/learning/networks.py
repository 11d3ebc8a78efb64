"""Networks by name."""
import torch
from monai.networks.nets import DynUNet

POOLING = 2  # each level after the first halves every axis


def build(spec: dict, seed: int) -> torch.nn.Module:
    """A freshly initialised network.

    Takes (n, 1, z, y, x); every axis a multiple of `multiple(spec)`. Gives logits (n, labels, z, y, x) in evaluation
    mode, and (n, heads, labels, z, y, x), upsampled, in training mode.

    Args:
        spec: {"name": "dynunet", "features": [16, 32, …], "labels": number of labels with background}.
        seed: decides the initial weights.

    Raises:
        ValueError: the name is unknown.

    Source: nnU-Net's network as MONAI builds it, Isensee et al. 2021, doi:10.1038/s41592-020-01008-z.
    """
    if spec["name"] != "dynunet":
        raise ValueError(f"unknown network {spec['name']!r}")
    levels = len(spec["features"])
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return DynUNet(
            spatial_dims=3, in_channels=1, out_channels=spec["labels"], filters=spec["features"],
            kernel_size=[3] * levels, strides=[1] + [POOLING] * (levels - 1), upsample_kernel_size=[POOLING] * (levels - 1),
            norm_name=("INSTANCE", {"affine": True}), deep_supervision=True, deep_supr_num=1)


def multiple(spec: dict) -> int:
    """What each axis of an input must be a multiple of, in voxels."""
    return POOLING ** (len(spec["features"]) - 1)


def state(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Weights and buffers by name, each once: DynUNet reaches most of its layers under two names."""
    return dict(sorted([*network.named_parameters(), *network.named_buffers()]))


@torch.no_grad()
def load_state(network: torch.nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    """Copies values, as `state` names them, into a network.

    Raises:
        ValueError: a name is missing or unknown, or a shape differs.
    """
    own = state(network)
    if own.keys() != tensors.keys():
        raise ValueError(f"weights of another network: {sorted(own.keys() ^ tensors.keys())[:3]} …")
    for name, value in tensors.items():
        if own[name].shape != value.shape:
            raise ValueError(f"{name}: found {tuple(value.shape)}, expected {tuple(own[name].shape)}")
        own[name].copy_(value)
