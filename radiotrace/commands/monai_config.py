"""The texts of a MONAI bundle that follow from a recipe: how an image becomes a label map, in classes of
MONAI and expressions, and what goes in and comes out.

monai_bundle calls it. Plain values in, plain values out; needs no torch. Arrays are z, y, x here as in
training: MONAI's readers give x, y, z, and Orientation turns them.
"""

from typing import Any

from radiotrace.imaging.channels import Channel
from radiotrace.inference import sliding
from radiotrace.inference.recipe import Recipe

# What an axis may point to, from its beginning to its end, where x, y, z of the world are RAS, as in NIfTI.
RAS_LABELS = [["L", "R"], ["P", "A"], ["I", "S"]]
POSTFIX = "label_map"
ORIGINAL = "original"  # the image on its own grid
WINDOW = (
    "$lambda shape: [1 if patch == 1 else max(patch, min(limit, -(-size // step) * step)) "
    "for patch, limit, step, size in zip(@patch_zyx, @window_zyx, @multiple_zyx, shape)]"
)
# SlidingWindowInferer has one window for all images; here it follows from the size of each.
INFERER = (
    "$lambda inputs, network, *args, **kwargs: monai.inferers.SlidingWindowInferer("
    "roi_size=@window(inputs.shape[2:]), sw_batch_size=1, overlap=@overlap, mode='gaussian', "
    "sigma_scale=@sigma, padding_mode='constant', cval=0.0)(inputs, network, *args, **kwargs)"
)
# Spacing moves the corners of a volume whose size is rounded. Here they stay, and an axis of one voxel is
# kept.
SCALE = (
    "$lambda image: [1.0 if size == 1 else wanted / float(edge) for size, wanted, edge "
    "in zip(image.shape[1:], @spacing_zyx_mm, image.affine[:3, :3].norm(dim=0))]"
)
COARSER = (  # torch.matmul, because an @ is a reference in a config
    "$lambda image, by: torch.matmul(image.affine, torch.tensor([[by[0], 0, 0, (by[0] - 1) / 2], "
    "[0, by[1], 0, (by[1] - 1) / 2], [0, 0, by[2], (by[2] - 1) / 2], [0, 0, 0, 1]], "
    "dtype=image.affine.dtype))"
)
RESAMPLER = {
    "_target_": "SpatialResample",
    "mode": "bilinear",
    "padding_mode": "border",
    "align_corners": False,  # only how torch counts places inside; an axis of one voxel has none with True
    "dtype": "$torch.float64",
}
RESAMPLED = (
    "$lambda image: @resampler(image, dst_affine=@coarser(image, @scale(image)), spatial_size="
    "[max(round(size / by), 1) for size, by in zip(image.shape[1:], @scale(image))])"
)
ONE_FILE = "$[{'image': path} for path in sorted(glob.glob(os.path.join(@dataset_dir, '*.nii.gz')))]"
SEVERAL_FILES = (
    "$[{{f'image_{{n}}': path[:-len('0000.nii.gz')] + f'{{n:04d}}.nii.gz' for n in range({channels})}} "
    "for path in sorted(glob.glob(os.path.join(@dataset_dir, '*_0000.nii.gz')))]"
)


def inference(recipe: Recipe, network_def: dict[str, Any]) -> dict[str, Any]:
    """configs/inference.json.

    Args:
        network_def: as a config has a network.
    """
    return {
        "imports": ["$import glob", "$import os", "$import sys"],
        "bundle_root": ".",
        "dataset_dir": "$os.path.join(@bundle_root, 'images')",
        "output_dir": "$os.path.join(@bundle_root, 'predictions')",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "network_def": network_def,
        "network": "$@network_def.to(@device)",
        "checkpoint": "$torch.load(os.path.join(@bundle_root, 'models', 'model.pt'), "
        "map_location=@device, weights_only=True)",
        "cases": _cases(recipe),
        **_resampling(recipe),
        "preprocessing": {"_target_": "Compose", "transforms": _preprocessing(recipe)},
        "dataset": {"_target_": "Dataset", "data": "@cases", "transform": "@preprocessing"},
        "dataloader": {
            "_target_": "DataLoader",
            "dataset": "@dataset",
            "batch_size": 1,
            "shuffle": False,
            "num_workers": 0,
        },
        "patch_zyx": list(recipe.patch_voxels[::-1]),
        "window_zyx": list(recipe.window_voxels[::-1]),
        "multiple_zyx": list(recipe.multiple_zyx),
        "overlap": sliding.OVERLAP,
        "sigma": sliding.SIGMA,
        "window": WINDOW,
        "inferer": INFERER,
        "logit_offsets": list(recipe.logit_offsets or [0.0]),
        "postprocessing": {"_target_": "Compose", "transforms": _postprocessing(recipe)},
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "@device",
            "val_data_loader": "@dataloader",
            "network": "@network",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
        },
        # not in "initialize", which monai.bundle.load runs before it knows the folder
        "run": ["$@network.load_state_dict(@checkpoint)", "$@evaluator.run()"],
    }


def data_format(recipe: Recipe, labels: dict[str, str], modality: str | None) -> dict[str, Any]:
    """network_data_format of configs/metadata.json. The shape is that of the least window; windows grow with
    the image, which the format has no words for."""
    least_zyx = list(recipe.patch_voxels[::-1])
    common = {"type": "image", "spatial_shape": least_zyx, "dtype": "float32", "value_range": []}
    named = [channel.name or "image" for channel in recipe.channels]
    return {
        "inputs": {
            "image": {
                **common,
                "format": "magnitude",
                "modality": modality or "n/a",
                "num_channels": len(named),
                "is_patch_data": True,
                "channel_def": {str(number): name for number, name in enumerate(named)},
            }
        },
        "outputs": {
            "pred": {
                **common,
                "format": "labels",
                "num_channels": len(labels),
                "is_patch_data": True,
                "channel_def": dict(sorted(labels.items(), key=lambda item: int(item[0]))),
            }
        },
    }


def inexpressible(recipe: Recipe) -> list[str]:
    """What of a recipe the transforms of `inference` do not do."""
    faults = []
    if recipe.bias_field is not None:
        faults.append("bias_field: found n4, of which MONAI has no transform")
    if recipe.crop is not None:
        faults.append(
            "crop: found a box over all channels; MONAI's is of one channel, and pads predictions with zeros"
        )
    if any(channel.within for channel in recipe.channels):
        faults.append("within: found foreground with its holes filled; MONAI leaves holes out")
    return faults


def _keys(recipe: Recipe) -> list[str]:
    """Of the channels in the dict that goes through the transforms."""
    count = len(recipe.channels)
    return ["image"] if count == 1 else [f"image_{number}" for number in range(count)]


def _cases(recipe: Recipe) -> str:
    count = len(recipe.channels)
    listed = ONE_FILE if count == 1 else SEVERAL_FILES.format(channels=count)
    return f"{listed} or sys.exit('0 images in ' + str(@dataset_dir))"


def _preprocessing(recipe: Recipe) -> list[dict[str, Any]]:
    keys = _keys(recipe)
    transforms: list[dict[str, Any]] = [
        {
            "_target_": "LoadImaged",
            "keys": keys,
            "reader": "NibabelReader",
            "ensure_channel_first": True,
            "dtype": "$np.float64",  # large values lose digits in float32 before they are normalised
        },
        {
            "_target_": "Orientationd",
            "keys": keys,
            "axcodes": recipe.orientation[::-1],
            "labels": RAS_LABELS,
        },
    ]
    if recipe.spacing_mm is not None:
        # what labels are brought back to
        transforms.insert(1, {"_target_": "CopyItemsd", "keys": keys[0], "names": ORIGINAL})
        transforms.append({"_target_": "Lambdad", "keys": keys, "func": "@resampled"})
    for key, channel in zip(keys, recipe.channels, strict=True):
        transforms += _normalisation(key, channel)
    if len(keys) > 1:
        transforms.append({"_target_": "ConcatItemsd", "keys": keys, "name": "image"})
    return transforms


def _resampling(recipe: Recipe) -> dict[str, Any]:
    """What preprocessing needs besides where the network sees voxels of one spacing."""
    if recipe.spacing_mm is None:
        return {}
    return {
        "spacing_zyx_mm": list(recipe.spacing_mm[::-1]),
        "scale": SCALE,
        "coarser": COARSER,
        "resampler": RESAMPLER,
        "resampled": RESAMPLED,
    }


def _normalisation(key: str, channel: Channel) -> list[dict[str, Any]]:
    by = channel.intensities
    if by:
        return [
            {
                "_target_": "ScaleIntensityRanged",
                "keys": key,
                "a_min": by.low,
                "a_max": by.high,
                "b_min": (by.low - by.mean) / by.sd,
                "b_max": (by.high - by.mean) / by.sd,
                "clip": True,
            }
        ]
    low, high = channel.percentiles
    return [
        {"_target_": "ClipIntensityPercentilesd", "keys": key, "lower": low, "upper": high},
        {"_target_": "NormalizeIntensityd", "keys": key},
    ]


def _postprocessing(recipe: Recipe) -> list[dict[str, Any]]:
    """Of logits. Where the image was resampled, shares of the labels are interpolated back, not labels."""
    offsets = {
        "_target_": "Lambdad",
        "keys": "pred",
        "func": "$lambda logits: logits + torch.tensor(@logit_offsets).to(logits).reshape(-1, 1, 1, 1)",
    }
    shares = {"_target_": "Activationsd", "keys": "pred", "softmax": True}
    turned_back = {
        "_target_": "Invertd",
        "keys": "pred",
        "transform": "@preprocessing",
        "orig_keys": _keys(recipe)[0],
        "nearest_interp": True,
        "to_tensor": True,
    }
    interpolated = RESAMPLER | {"_target_": "ResampleToMatchd", "keys": "pred", "key_dst": ORIGINAL}
    labels = {"_target_": "AsDiscreted", "keys": "pred", "argmax": True}
    saved = {
        "_target_": "SaveImaged",
        "keys": "pred",
        "output_dir": "@output_dir",
        "output_postfix": POSTFIX,
        "output_ext": ".nii.gz",
        "output_dtype": "$np.uint8",
        "resample": False,
        "separate_folder": False,
        "print_log": False,
    }
    if recipe.spacing_mm is not None:
        return [offsets, shares, interpolated, labels, saved]
    return [offsets, labels, turned_back, saved]
