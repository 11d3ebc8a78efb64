"""Pictures: PNG, JPEG and TIFF as arrays of their grey values or colours, or the reason why not.

Decoded from bytes that were read once, by the decoder of the format that the name promises. Values are never
scaled, apart from what the format itself does.
"""

import io
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from radiotrace.imaging import content
from radiotrace.imaging.content import VolumeError

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF"}
PIXELS_MAX = 2**27  # of one picture: 11,585 x 11,585
GREY = ("1", "L", "LA", "I;16", "I;16B", "I;16L", "I")
COLOUR = ("RGB", "RGBA")
SCREEN_DPI = (72, 96)  # what programs write that know of no size
LUMA = (299, 587, 114)  # of 1000, of red, green and blue
INCH_MM = 25.4
CM_MM = 10.0
ORIENTATION, BITS, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 274, 258, 282, 283, 296
REFUSED = {
    "P": "a palette: its values are numbers of colours, not brightness or labels. Save it as grey or RGB",
    "PA": "a palette: its values are numbers of colours, not brightness or labels. Save it as grey or RGB",
    "CMYK": "CMYK, colours of print, not of light. Save it as RGB by the profile that it was made with",
    "YCbCr": "YCbCr. Save it as RGB",
    "LAB": "L*a*b*. Save it as RGB",
    "HSV": "HSV. Save it as RGB",
    "F": "values of 32 bits with a point. Save it as 16 bits, or write a volume, .nii.gz",
}


@dataclass(frozen=True, eq=False)  # arrays have no equality of their own
class Picture:
    """A decoded picture.

    Attributes:
        channels_yx: one, of grey, or three, red, green and blue; uint8 or uint16.
        pixel_mm: along x and y, as its tags say; None where they do not.
        done: what was left away, for people.
    """

    channels_yx: tuple[np.ndarray, ...]
    pixel_mm: tuple[float, float] | None
    done: tuple[str, ...]


def decoded(data: bytes, name: str) -> Picture:
    """The picture that the bytes of a file hold.

    Args:
        name: of the file; its ending says the format.

    Raises:
        VolumeError: they hold none, it is damaged, too large, of several pages, or of a kind that is refused;
            one line, without the name.
    """
    ending = Path(name).suffix.lower()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow, which name no file; what is wrong is refused below
            with Image.open(io.BytesIO(data), formats=(FORMATS[ending],)) as picture:
                _check(picture)
                bits = _bits(picture, data)
                values = (
                    _deep(data, ending) if bits > 8 and picture.mode in (*COLOUR, "LA") else _values(picture)
                )
                return _as_channels(values, _pixel_mm(picture))
    except VolumeError:
        raise
    except Image.DecompressionBombError:
        raise VolumeError(
            f"its header declares far more than the {PIXELS_MAX} pixels that are read. Cut it into tiles"
        ) from None
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError, OverflowError) as error:
        raise VolumeError(
            content.foreign(data[:132]) if _is_foreign(data, ending) else _damage(error)
        ) from None


def _is_foreign(data: bytes, ending: str) -> bool:
    """Whether bytes are of another format than the name promises."""
    first = {".png": b"\x89PNG", ".jpg": b"\xff\xd8", ".jpeg": b"\xff\xd8"}.get(ending)
    beginnings = (first,) if first else (b"II", b"MM")
    return not data.startswith(beginnings) and content.foreign(data[:132]) is not None


def _damage(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):  # its text names an object in memory
        return "damaged, or not the format that its name promises"
    return f"damaged, or not the format that its name promises ({str(error).splitlines()[0][:200]})"


def _check(picture: Image.Image) -> None:
    """Refuses by the header, before pixels are decoded."""
    width, height = picture.size
    if width * height > PIXELS_MAX:
        raise VolumeError(f"{width} x {height} pixels; at most {PIXELS_MAX} are read. Cut it into tiles")
    if (n_pages := int(getattr(picture, "n_frames", 1))) > 1:
        raise VolumeError(
            f"{n_pages} pages; expected one. Write each as a file of its own, or a volume, .nii.gz"
        )
    if picture.mode not in (*GREY, *COLOUR):
        raise VolumeError(REFUSED.get(picture.mode, f"of the kind {picture.mode!r}. Save it as grey or RGB"))
    turned = picture.getexif().get(ORIENTATION, 1)
    if turned not in (0, 1):
        raise VolumeError(
            f"stored turned or mirrored (EXIF orientation {turned}), so that programs differ on where its "
            "pixels lie. Save it upright"
        )


def _bits(picture: Image.Image, data: bytes) -> int:
    """Of each value, as the file stores it: Pillow brings colours of 16 bits to 8 without a word."""
    if picture.format == "PNG":
        return data[24]
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        return max(picture.tag_v2.get(BITS, (8,)))
    return 8


def _values(picture: Image.Image) -> np.ndarray:
    values = np.asarray(picture)
    if picture.mode == "1":
        return values.astype(np.uint8)
    if values.dtype.itemsize > 2:  # mode I
        if values.min() < 0 or values.max() > np.iinfo(np.uint16).max:
            raise VolumeError(
                f"values from {values.min()} to {values.max()}; at most 16 bits without sign are read. Write "
                "a volume, .nii.gz"
            )
        return values.astype(np.uint16)
    return values.astype(values.dtype.newbyteorder("="))


def _deep(data: bytes, ending: str) -> np.ndarray:
    """Colours of 16 bits, by ITK, under a neutral name."""
    with tempfile.TemporaryDirectory(prefix="radiotrace-") as folder:
        path = Path(folder) / f"picture{ending}"
        path.write_bytes(data)
        try:
            values = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
        except RuntimeError:
            raise VolumeError("colours of 16 bits that ITK does not read. Save it as PNG") from None
    return values[0] if values.ndim == 4 else values


def _as_channels(values: np.ndarray, pixel_mm: tuple[float, float] | None) -> Picture:
    """Channels of an array (y, x) or (y, x, values)."""
    if values.dtype not in (np.uint8, np.uint16):
        raise VolumeError(f"values of type {values.dtype}; expected uint8 or uint16")
    if values.ndim == 2:
        return Picture((np.ascontiguousarray(values),), pixel_mm, ())
    n_values = values.shape[-1]
    done = ("alpha dropped",) if n_values in (2, 4) else ()
    n_channels = 3 if n_values >= 3 else 1
    channels = tuple(np.ascontiguousarray(values[..., number]) for number in range(n_channels))
    if n_channels > 1 and all(np.array_equal(channels[0], channel) for channel in channels[1:]):
        return Picture(channels[:1], pixel_mm, (*done, "three equal colours are one grey"))
    return Picture(channels, pixel_mm, done)


def grey(channels_yx: tuple[np.ndarray, ...]) -> np.ndarray:
    """The brightness of red, green and blue, in their type, rounded.

    Source: ITU-R BT.601-7, section 2.5.1.
    """
    total = np.zeros(channels_yx[0].shape, np.int64)
    for weight, channel in zip(LUMA, channels_yx, strict=True):
        total += weight * channel.astype(np.int64)
    brightness = (total + sum(LUMA) // 2) // sum(LUMA)
    return brightness.astype(channels_yx[0].dtype)


def _pixel_mm(picture: Image.Image) -> tuple[float, float] | None:
    """From the tags of resolution; None where they are not there, or have what programs write that know of
    no size."""
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        tags = picture.tag_v2
        unit = {2: INCH_MM, 3: CM_MM}.get(tags.get(RESOLUTION_UNIT, 2))
        per_unit = [float(tags.get(tag, 0)) for tag in (X_RESOLUTION, Y_RESOLUTION)]
    else:
        unit, per_unit = INCH_MM, [float(value) for value in picture.info.get("dpi", (0, 0))]
    if unit is None or not all(np.isfinite(per_unit)) or min(per_unit) <= 0:
        return None
    dpi = [value * INCH_MM / unit for value in per_unit]
    if all(any(abs(value - screen) < 0.1 for screen in (*SCREEN_DPI, 1)) for value in dpi):
        return None
    return round(unit / per_unit[0], 9), round(unit / per_unit[1], 9)
