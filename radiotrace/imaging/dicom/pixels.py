"""Pixels: stored values of frames, by a decoder that is named for each transfer syntax, and what they mean.

`stored` runs in the child (imaging/child.py).
"""

import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import get_decoder

from radiotrace.imaging.child import Limits, Refused
from radiotrace.imaging.dicom import headers
from radiotrace.imaging.dicom.headers import Instance, Plane

NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")
DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"  # of which pydicom knows nothing
JPEG_BASELINE, JPEG_EXTENDED = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"
# Which decoder, and which one where that fails: named, so that bytes do not depend on what else is installed.
DECODERS = {
    **dict.fromkeys(NATIVE, ("",)),
    JPEG_BASELINE: ("pillow", "gdcm"),
    "1.2.840.10008.1.2.4.57": ("gdcm",),
    "1.2.840.10008.1.2.4.70": ("gdcm",),
    "1.2.840.10008.1.2.4.80": ("pyjpegls", "gdcm"),
    "1.2.840.10008.1.2.4.81": ("pyjpegls", "gdcm"),
    "1.2.840.10008.1.2.4.90": ("pylibjpeg", "gdcm"),
    "1.2.840.10008.1.2.4.91": ("pylibjpeg", "gdcm"),
    "1.2.840.10008.1.2.4.201": ("pylibjpeg",),
    "1.2.840.10008.1.2.4.202": ("pylibjpeg",),
    "1.2.840.10008.1.2.4.203": ("pylibjpeg",),
    "1.2.840.10008.1.2.5": ("pylibjpeg", "pydicom"),
}
LOSSY = (JPEG_BASELINE, JPEG_EXTENDED, "1.2.840.10008.1.2.4.81")
GREY = ("MONOCHROME1", "MONOCHROME2")
# whose values are quantities, so that to turn them over would change what they mean
QUANTITIES = ("CT", "PT")
NARROWEST = (np.int16, np.int32)


def is_read(syntax: str) -> bool:
    """Whether pixels of a transfer syntax are decoded."""
    return syntax in DECODERS or syntax in (JPEG_EXTENDED, DEFLATED_FRAMES, headers.DEFLATED)


def fault(instance: Instance) -> str | None:
    """Why pixels of an image cannot become voxels; None where they can. Looks at the header alone."""
    if not is_read(instance.syntax):
        return f"pixels are stored in transfer syntax {instance.syntax}, which is not read"
    if instance.samples != 1 or instance.photometric not in GREY:
        found = instance.photometric or "nothing"
        if not found.replace("_", " ").replace(" ", "").isalnum():
            found = "another word"
        return (
            f"PhotometricInterpretation: found {found} with {instance.samples} values a pixel, expected "
            f"{' or '.join(GREY)} with 1: colour has no value that a network could learn from as it is"
        )
    if instance.has_table:
        return "values are given by a table (ModalityLUTSequence), which is not read"
    if instance.photometric == "MONOCHROME1" and instance.modality in QUANTITIES:
        return f"MONOCHROME1 in {instance.modality}, whose values are quantities; expected MONOCHROME2"
    if instance.bits_allocated not in (8, 16, 32) or instance.high_bit != instance.bits_stored - 1:
        return (
            f"found bits {instance.bits_stored} of {instance.bits_allocated}, the highest "
            f"{instance.high_bit}; expected 8, 16 or 32 with the highest bit one below those that are stored"
        )
    return None


def is_lossy(instance: Instance) -> bool:
    """Whether pixels went through a compression that changes them, as the header or the syntax says."""
    return instance.is_lossy or instance.syntax in LOSSY


def stored(root: str, instance: Instance, limits: Limits) -> tuple[np.ndarray, str]:
    """Stored values of all frames, and the decoder's name.

    Returns:
        (frame, row, column) of 8, 16 or 32 bits, with those bits that are not stored cleared, or filled with
        the sign; 1-bit pixels as 0 and 1.

    Raises:
        Refused: no decoder makes of the file as many pixels as its header declares.
    """
    place = Path(root) / instance.path
    if instance.syntax == JPEG_EXTENDED:
        return _by_simpleitk(place, instance), "SimpleITK"
    dataset = headers.dataset(place, limits, with_pixels=True)
    if "PixelData" not in dataset:
        raise Refused("has no PixelData")
    if instance.syntax == DEFLATED_FRAMES:
        return _inflated(dataset.PixelData, instance), "zlib"
    decoder = get_decoder(dataset.file_meta.TransferSyntaxUID)
    names = DECODERS[str(dataset.file_meta.TransferSyntaxUID)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array, name = _by_first_that_can(decoder, names, dataset)
    shape = (len(instance.planes), instance.rows, instance.columns)
    if array.size != np.prod(shape):
        raise Refused(f"found {array.size} pixels, its header declares {np.prod(shape)}")
    return _without_unused_bits(array.reshape(shape), instance), name or "pydicom"


def _inflated(pixel_data: bytes, instance: Instance) -> np.ndarray:
    """Frames that are deflated each by itself, no further than their header declares.

    Source: DICOM PS3.5, A.4.13; pixels of one bit as in 8.1.1, the first in the lowest bit.
    """
    n_pixels = instance.rows * instance.columns
    n_bytes = -(-n_pixels * instance.bits_allocated // 8)
    kind = np.dtype(f"<{'i' if instance.is_signed else 'u'}{max(instance.bits_allocated // 8, 1)}")
    frames = []
    for frame in generate_frames(pixel_data, number_of_frames=len(instance.planes)):
        try:
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(frame, n_bytes + 2)
        except zlib.error:
            raise Refused("has pixels that cannot be decoded (deflated)") from None
        if not n_bytes <= len(data) <= n_bytes + n_bytes % 2:  # one may fill up to an even length
            raise Refused(f"has a deflated frame of other than the {n_bytes} bytes that its header declares")
        pixels = np.frombuffer(data[:n_bytes], kind)
        if instance.bits_allocated == 1:
            pixels = np.unpackbits(pixels, bitorder="little")[:n_pixels]
        frames.append(pixels.reshape(instance.rows, instance.columns))
    if len(frames) != len(instance.planes):
        raise Refused(f"found {len(frames)} frames, its header declares {len(instance.planes)}")
    return _without_unused_bits(np.stack(frames), instance)


def _by_first_that_can(decoder, names: Sequence[str], dataset) -> tuple[np.ndarray, str]:
    """Pixels by the first of several decoders that does not fail, and its name."""
    for name in names:
        try:
            return decoder.as_array(dataset, raw=True, decoding_plugin=name)[0], name
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - decoders raise what they like
            kind = type(error).__name__
    raise Refused(f"has pixels that cannot be decoded ({kind})")


def _by_simpleitk(place: Path, instance: Instance) -> np.ndarray:
    """12-bit JPEG, which of all libraries only SimpleITK decodes; it applies slope and intercept, which are
    taken back."""
    if len(instance.planes) != 1:
        raise Refused("JPEG extended is read for single frames only")
    try:
        values = sitk.GetArrayFromImage(sitk.ReadImage(str(place)))
    except RuntimeError:
        raise Refused("its pixels cannot be decoded") from None
    if values.size != instance.rows * instance.columns:
        raise Refused(f"found {values.size} pixels, its header declares {instance.rows * instance.columns}")
    plane = instance.planes[0]
    raw = np.rint((values.astype(float) - plane.intercept) / plane.slope)
    if instance.photometric == "MONOCHROME1":  # which SimpleITK has turned over
        raise Refused("MONOCHROME1 in JPEG extended is not read")
    kind = np.dtype(f"{'i' if instance.is_signed else 'u'}{instance.bits_allocated // 8}")
    return raw.astype(kind).reshape(1, instance.rows, instance.columns)


def _without_unused_bits(array: np.ndarray, instance: Instance) -> np.ndarray:
    """Values without what lies in the bits above those that are stored: old files keep overlays there."""
    bits = instance.bits_stored
    if instance.bits_allocated == 1 or bits >= instance.bits_allocated:
        return array
    kind = array.dtype.newbyteorder("=")
    unused = instance.bits_allocated - bits
    values = array.astype(kind)
    return (values << unused) >> unused  # an arithmetic shift, where values are signed


def values_zyx(
    frames: Sequence[np.ndarray], planes: Sequence[Plane], instances: Sequence[Instance]
) -> np.ndarray:
    """Values of a stack, (z, y, x): slope and intercept of each plane applied, MONOCHROME1 turned over.

    Args:
        frames: stored values, (row, column), of each plane.
        instances: the file of each plane.

    Returns:
        int16 or int32, the first that holds them all, where slopes and intercepts are whole; else float32.
    """
    turned = [
        _turned_over(frame, instance) if instance.photometric == "MONOCHROME1" else frame
        for frame, instance in zip(frames, instances, strict=True)
    ]
    is_whole = all(float(value).is_integer() for plane in planes for value in (plane.slope, plane.intercept))
    if not is_whole:
        scaled = [
            (frame.astype(float) * plane.slope + plane.intercept).astype(np.float32)
            for frame, plane in zip(turned, planes, strict=True)
        ]
        return np.stack(scaled)
    whole = np.stack(
        [
            frame.astype(np.int64) * int(plane.slope) + int(plane.intercept)
            for frame, plane in zip(turned, planes, strict=True)
        ]
    )
    for kind in NARROWEST:
        if np.iinfo(kind).min <= whole.min() and whole.max() <= np.iinfo(kind).max:
            return whole.astype(kind)
    return whole.astype(np.float32)


def _turned_over(frame: np.ndarray, instance: Instance) -> np.ndarray:
    """So that more is brighter: the smallest value that can be stored becomes the largest, and so on."""
    wide = frame.astype(np.int64)
    if instance.is_signed:
        return -1 - wide
    return 2**instance.bits_stored - 1 - wide
