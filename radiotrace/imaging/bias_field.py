"""Bias field: the slow change of brightness that the coils of an MRI leave, estimated and divided out.

On the turned volume, of its own spacing. The same bytes every time, on one kind of processor: ITK's filters
add up what their threads found in the order of these, so one thread does it all.

Source: N4, Tustison et al. 2010, doi:10.1109/TMI.2010.2046908, as ITK 5.4 has it.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from radiotrace.imaging import volumes
from radiotrace.imaging.channels import Channel
from radiotrace.imaging.volumes import VolumeError
from radiotrace.records.preprocessing import BiasField

# What is not a parameter: model_record.py says the same in words.
CONTROL_POINTS, SPLINE_ORDER, BINS, FWHM, NOISE = 4, 3, 200, 0.15, 0.01
OTSU_BINS = 200
EVERY_SHARE = 8  # an axis keeps this many voxels, where it has them
MASK_MIN = 32  # voxels
# Names of maps, whose values have a unit although their modality is MRI.
MAPS = re.compile(r"^(ADC|PDFF)|MAP|RHO")


@dataclass(frozen=True)
class Corrected:
    """A volume without its bias field.

    Attributes:
        volume: float32.
        every: along x, y, z, of how many voxels one was taken to estimate the field.
        mask_voxels: of these, where it was estimated.
        least, most: of the field over the whole volume.
    """

    volume: sitk.Image
    every: tuple[int, int, int]
    mask_voxels: int
    least: float
    most: float


def faults(settings: BiasField | None, channels: Sequence[Channel]) -> list[str]:
    """Channels that have no bias field, or of which nobody says that they have one."""
    if settings is None:
        return []
    names = [channel.name for channel in channels]
    unknown = [name for name in settings.channels or () if name not in names]
    found = [
        f"ingest.bias_field.channels: found {name}, expected some of {', '.join(map(str, names))}"
        for name in unknown
    ]
    for channel in channels:
        if is_asked(settings, channel) and (reason := _why_not(channel)):
            found.append(f"ingest.bias_field: channel {channel.name or 'without a name'}: {reason}")
    return found


def is_asked(settings: BiasField, channel: Channel) -> bool:
    """Whether the field of a channel is divided out."""
    return settings.channels is None or channel.name in settings.channels


def _why_not(channel: Channel) -> str | None:
    if channel.modality == "CT":
        return "CT has no coils, and its values have a unit (HU), which a division would take away"
    if channel.modality != "MRI":
        return (
            "nobody says that it is an MRI: other images have no such field, and those with a unit (SUV, Gy) "
            "would lose it"
        )
    if MAPS.search((channel.name or "").upper()):
        return "its values have a unit, which a division would take away"
    return None


def corrected(volume: sitk.Image, settings: BiasField) -> Corrected:
    """The volume, divided by its bias field.

    The field is estimated where the mask is, on every so many-th voxel, and spread over all voxels; a picture
    of one slice has it in its plane.

    Args:
        volume: 3-D, scalar, finite.

    Raises:
        VolumeError: there is nothing to estimate it on, or it comes to no positive number.
    """
    with _one_thread():
        return _corrected(sitk.Cast(volume, sitk.sitkFloat32), settings)


def _corrected(volume: sitk.Image, settings: BiasField) -> Corrected:
    every = taken_of(volume, settings.shrink_mm)
    if settings.mask == "otsu":
        mask = sitk.OtsuThreshold(volume, 0, 1, OTSU_BINS)
    else:
        mask = sitk.NotEqual(volume, 0)
    coarse, coarse_mask = _in_plane(sitk.Shrink(volume, every)), _in_plane(sitk.Shrink(mask, every))
    n_mask = int(np.count_nonzero(sitk.GetArrayViewFromImage(coarse_mask)))
    if n_mask < MASK_MIN:
        raise VolumeError(
            f"its bias field would be estimated on {n_mask} voxels, expected {MASK_MIN} at least"
        )
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations(list(settings.iterations))
    n4.SetConvergenceThreshold(0.0)  # as many as are asked for: where it ends early, a last digit decides
    n4.SetNumberOfControlPoints([CONTROL_POINTS] * coarse.GetDimension())
    n4.SetSplineOrder(SPLINE_ORDER)
    n4.SetNumberOfHistogramBins(BINS)
    n4.SetBiasFieldFullWidthAtHalfMaximum(FWHM)
    n4.SetWienerFilterNoise(NOISE)
    try:
        n4.Execute(coarse, coarse_mask)
        log_field = sitk.GetArrayFromImage(n4.GetLogBiasFieldAsImage(_in_plane(volume)))
    except RuntimeError as error:
        last = str(error).strip().splitlines()[-1]
        raise VolumeError(f"its bias field cannot be estimated: {last}") from None
    values_zyx = volumes.array_zyx(volume)
    with np.errstate(all="ignore"):  # what comes of it is looked at
        field_zyx = np.exp(log_field.astype(np.float64)).reshape(values_zyx.shape)
        divided_zyx = (values_zyx / field_zyx).astype(np.float32)
    least, most = float(field_zyx.min()), float(field_zyx.max())
    if not (np.isfinite(divided_zyx).all() and least > 0 and np.isfinite(most)):
        raise VolumeError(f"its bias field comes to {least:g} to {most:g}, expected positive numbers")
    return Corrected(volumes.from_array(divided_zyx, volume), every, n_mask, least, most)


def taken_of(volume: sitk.Image, shrink_mm: float) -> tuple[int, int, int]:
    """Along x, y, z, of how many voxels one is taken: as many as shrink_mm holds, one at least, and no more
    than leave EVERY_SHARE voxels."""
    x, y, z = (
        max(1, min(int(shrink_mm / spacing + 1e-3), size // EVERY_SHARE))
        for spacing, size in zip(volume.GetSpacing(), volume.GetSize(), strict=True)
    )
    return x, y, z


def _in_plane(volume: sitk.Image) -> sitk.Image:
    """The slice of a picture as an image of two dimensions; a volume as it is."""
    size = list(volume.GetSize())
    if 1 not in size:
        return volume
    axis = size.index(1)
    size[axis] = 0
    strategy = sitk.ExtractImageFilter.DIRECTIONCOLLAPSETOIDENTITY
    return sitk.Extract(volume, size, [0, 0, 0], strategy)


@contextmanager
def _one_thread() -> Iterator[None]:
    """ITK with one thread, in this process: filters within N4 know no other number than the global one."""
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)
