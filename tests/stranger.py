"""A stranger: predicts with model.onnx and model.json, and what the latter says, and nothing of this project.

Written from the steps of model.json; NumPy, SciPy, ONNX Runtime and SimpleITK are all that it imports.
"""

import itertools
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import SimpleITK as sitk
from scipy import ndimage


def predicted(folder, *paths):
    """The label map of an image.

    Args:
        folder: with the two files.
        paths: of its channels.
    """
    record = json.loads((Path(folder) / "model.json").read_text("utf-8"))
    session = onnxruntime.InferenceSession(str(Path(folder) / record["file"]))
    steps, how = record["preprocessing"], record["inference"]
    volumes = whole = [sitk.ReadImage(str(path)) for path in paths]
    begin = None
    if crop := steps.get("crop"):
        begin, size = box(whole, crop["margin_voxels"])
        volumes = [sitk.RegionOfInterest(volume, size, begin) for volume in whole]
    label_map = within_box(volumes, session, record, steps, how)
    if begin is None:
        return label_map
    everywhere = sitk.Image(whole[0].GetSize(), sitk.sitkUInt8)
    everywhere.CopyInformation(whole[0])
    return sitk.Paste(everywhere, label_map, label_map.GetSize(), [0, 0, 0], begin)


def within_box(volumes, session, record, steps, how):
    """All steps behind 'crop'."""
    turned = [sitk.DICOMOrient(volume, steps["orientation"]) for volume in volumes]
    channels = steps.get("channels") or [steps]
    even = turned
    if field := steps.get("bias_field"):
        names = field.get("channels") or [channel.get("name") for channel in channels]
        even = [
            divided(volume, field) if channel.get("name") in names else volume
            for volume, channel in zip(turned, channels, strict=True)
        ]
    seen = even if steps["spacing_mm"] is None else [at(volume, steps["spacing_mm"]) for volume in even]
    arrays = [sitk.GetArrayFromImage(volume) for volume in seen]
    foreground = ndimage.binary_fill_holes(np.any(np.stack(arrays) != 0, 0))
    image = np.stack(
        [normalised(array, channel, foreground) for array, channel in zip(arrays, channels, strict=True)]
    )
    logits = averaged(image, session, record, steps, how)
    if steps["spacing_mm"] is None:
        label_map = sitk.GetImageFromArray(logits.argmax(0).astype(np.uint8))
        label_map.CopyInformation(turned[0])
        own = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(volumes[0].GetDirection())
        return sitk.DICOMOrient(label_map, own)
    powers = np.exp(logits - logits.max(0))
    shares = []
    for share in powers / powers.sum(0):
        volume = sitk.GetImageFromArray(share.astype(np.float32))
        volume.CopyInformation(seen[0])
        shares.append(sitk.GetArrayFromImage(interpolated(volume, volumes[0])))
    label_map = sitk.GetImageFromArray(np.argmax(shares, 0).astype(np.uint8))
    label_map.CopyInformation(volumes[0])
    return label_map


def box(volumes, margin):
    """Step 'crop': where the box begins, and its edges, along x, y, z."""
    there = np.argwhere(np.any(np.stack([sitk.GetArrayFromImage(volume) for volume in volumes]) != 0, 0))
    edges = np.array(volumes[0].GetSize()[::-1])
    begin = np.maximum(there.min(0) - margin, 0)
    end = np.minimum(there.max(0) + 1 + margin, edges)
    return begin[::-1].tolist(), (end - begin)[::-1].tolist()


def divided(volume, field):
    """Step 'bias field'."""
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    volume = sitk.Cast(volume, sitk.sitkFloat32)
    mask = sitk.OtsuThreshold(volume, 0, 1, 200) if field["mask"] == "otsu" else volume != 0
    every = [
        max(1, min(int(field["shrink_mm"] / spacing + 0.001), size // 8))
        for spacing, size in zip(volume.GetSpacing(), volume.GetSize(), strict=True)
    ]
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations(field["iterations"])
    n4.SetConvergenceThreshold(0.0)
    n4.SetNumberOfControlPoints(4)
    n4.SetSplineOrder(3)
    n4.SetNumberOfHistogramBins(200)
    n4.SetBiasFieldFullWidthAtHalfMaximum(0.15)
    n4.SetWienerFilterNoise(0.01)
    n4.Execute(sitk.Shrink(volume, every), sitk.Shrink(mask, every))
    log_field = sitk.GetArrayFromImage(n4.GetLogBiasFieldAsImage(volume)).astype(np.float64)
    even = sitk.GetImageFromArray((sitk.GetArrayFromImage(volume) / np.exp(log_field)).astype(np.float32))
    even.CopyInformation(volume)
    return even


def at(volume, spacing):
    """Step 'spacing'."""
    old = np.array(volume.GetSpacing())
    new = np.where(np.array(volume.GetSize()) == 1, old, spacing)
    size = np.maximum(np.round(np.array(volume.GetSize()) * old / new), 1).astype(int)
    direction = np.reshape(volume.GetDirection(), (3, 3))
    grid = sitk.Image(size.tolist(), sitk.sitkFloat32)
    grid.SetSpacing(new.tolist())
    grid.SetOrigin((np.array(volume.GetOrigin()) + direction @ ((new - old) / 2)).tolist())
    grid.SetDirection(volume.GetDirection())
    return interpolated(volume, grid)


def interpolated(volume, grid):
    """Linearly, beyond the outermost centres the nearest value."""
    resampler = sitk.ResampleImageFilter()
    resampler.SetReferenceImage(grid)
    resampler.SetInterpolator(sitk.sitkLinear)
    resampler.SetOutputPixelType(sitk.sitkFloat32)
    resampler.SetUseNearestNeighborExtrapolator(True)
    return resampler.Execute(volume)


def normalised(array, channel, foreground):
    """Step 'normalise'."""
    values = array.astype(np.float64)
    if channel.get("within") == "foreground":
        everywhere = np.zeros(values.shape, np.float32)
        without = {key: value for key, value in channel.items() if key != "within"}
        everywhere[foreground] = normalised(values[foreground], without, None)
        return everywhere
    if by := channel.get("intensities"):
        return ((np.clip(values, by["low"], by["high"]) - by["mean"]) / by["sd"]).astype(np.float32)
    values = np.clip(values, *np.percentile(values, channel["clip_percentiles"]))
    if values.min() == values.max():
        return np.zeros(values.shape, np.float32)
    return ((values - values.mean()) / values.std()).astype(np.float32)


def averaged(image, session, record, steps, how):
    """Steps 'window' to 'weights'."""
    multiple = steps["multiple"]
    multiples = [multiple] * 3 if isinstance(multiple, int) else multiple
    edges = [
        1 if patch == 1 else max(patch, min(most, -(-size // step) * step))
        for patch, most, size, step in zip(
            steps["patch_voxels"], steps["window_voxels"], image.shape[:0:-1], multiples, strict=True
        )
    ][::-1]
    missing = [max(edge - size, 0) for edge, size in zip(edges, image.shape[1:], strict=True)]
    around = [(0, 0), *((number // 2, number - number // 2) for number in missing)]
    padded = np.pad(image, around, constant_values=how["padding_value"])
    weight = np.ones((1, 1, 1))
    for axis, edge in enumerate(edges):
        distance = np.arange(edge) - (edge - 1) / 2
        along = np.exp(-(distance**2) / (2 * (how["window_sigma"] * edge) ** 2))
        weight = weight * along.reshape([-1 if axis == number else 1 for number in range(3)])
    weight = np.maximum(weight, max(how["window_weight_min"], weight.min()))
    starts = []
    for size, edge in zip(padded.shape[1:], edges, strict=True):
        step = max(int(edge * (1 - how["window_overlap"])), 1)
        starts.append(sorted({min(start, size - edge) for start in range(0, size, step)}))
    total, weights = 0.0, np.zeros(padded.shape[1:])
    for corner in itertools.product(*starts):
        part = tuple(slice(start, start + edge) for start, edge in zip(corner, edges, strict=True))
        patch = {record["input"]["name"]: np.ascontiguousarray(padded[None][(..., *part)])}
        logits = session.run([record["output"]["name"]], patch)[0][0]
        if weights.max() == 0:
            total = np.zeros((len(logits), *weights.shape))
        total[(slice(None), *part)] += logits * weight
        weights[part] += weight
    kept = tuple(
        slice(before, before + size) for (before, _), size in zip(around[1:], image.shape[1:], strict=True)
    )
    return (total / weights)[(slice(None), *kept)].astype(np.float32)


if __name__ == "__main__":
    sitk.WriteImage(predicted(sys.argv[1], *sys.argv[3:]), sys.argv[2])
