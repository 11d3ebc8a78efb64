"""Content: a file from outside as bytes, read once and hashed, inflated within bounds, recognised where it is
something else.

Below every format: what knows NIfTI, NRRD or MetaImage builds on this, and this knows none of them.
"""

import hashlib
import os
import stat
import zlib
from dataclasses import dataclass, field

DECODED_BYTES_MAX = 4 * 2**30  # of one volume: 1024 x 1024 x 2048 voxels of 16 bits
CONVERT = "Convert it to NIfTI (.nii.gz)"


class VolumeError(ValueError):
    """A file that is not a readable volume."""


@dataclass(frozen=True)
class Content:
    """The bytes of a file, read once, and their SHA-256: what is decoded from `data` is what was hashed."""

    data: bytes
    sha256: str


@dataclass(frozen=True)
class Checked:
    """One whole volume and nothing else, as ITK is handed it: no compression, no name of another file.

    ending: of the format, such as ".nii". n_non_finite: stored values that are NaN or infinite. free_text:
    what a person or a program wrote into the file and ITK does not report, by place. warnings: about where
    the header places the volume.
    """

    ending: str
    data: bytes
    n_non_finite: int = 0
    free_text: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def read(path) -> Content:
    """Reads and hashes a file.

    Raises:
        VolumeError: there is no such file, it is no plain file, or it is larger than any volume that is
            decoded.
    """
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise VolumeError("not a plain file")
            if about.st_size > DECODED_BYTES_MAX:
                raise VolumeError(f"{about.st_size} bytes; at most {DECODED_BYTES_MAX} are read")
            data = file.read()
    except (FileNotFoundError, NotADirectoryError):
        raise VolumeError("no such file") from None
    except IsADirectoryError:
        raise VolumeError("a folder, not a file") from None
    return Content(data, hashlib.sha256(data).hexdigest())


def _without_waiting(path, flags) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # else a named pipe would be waited for


def check_size(n_values: int, bytes_a_value: int) -> int:
    """The bytes that so many values take.

    Raises:
        VolumeError: they are more than a volume may take; nothing was allocated yet.
    """
    n_bytes = n_values * bytes_a_value
    if n_bytes > DECODED_BYTES_MAX:
        raise VolumeError(
            f"the header declares {n_bytes} bytes of voxels; at most {DECODED_BYTES_MAX} are read"
        )
    return n_bytes


class Inflater:
    """A compressed stream (gzip or zlib), inflated piece by piece, so that what it holds beyond need is
    never inflated."""

    def __init__(self, data: bytes):
        self._engine, self._rest = zlib.decompressobj(47), data  # 47: gzip or zlib, by their first bytes

    def take(self, n_bytes: int) -> bytes:
        """The next bytes, fewer where the stream ends.

        Raises:
            VolumeError: the stream is damaged.
        """
        if self._engine.eof or n_bytes == 0:
            return b""
        try:
            piece = self._engine.decompress(self._rest, n_bytes)
        except zlib.error as error:
            raise VolumeError(f"damaged: the compressed data do not hold ({error})") from None
        self._rest = self._engine.unconsumed_tail
        return piece

    def finish(self) -> None:
        """Looks at the end of the stream, where its checksum stands.

        Raises:
            VolumeError: something follows what was taken, in the stream or behind it; the stream is cut or
                damaged.
        """
        if self.take(1):
            raise VolumeError(
                "more data follow the voxels in the compressed stream. Write the volume anew, without them"
            )
        if not self._engine.eof:
            raise VolumeError("cut: the compressed stream has no end")
        if behind := len(self._engine.unused_data):
            raise VolumeError(
                f"{behind} bytes follow the compressed stream (a second gzip member, or text). Compress the "
                f"volume anew, as one stream"
            )


def gzip_text(data: bytes) -> str:
    """The file name and the comment that a gzip header may hold; '' where there is none.

    Source: RFC 1952, section 2.3.
    """
    flags, at = data[3], 10
    if flags & 4:  # an extra field, which begins with its length
        at += 2 + int.from_bytes(data[at : at + 2], "little")
    texts = data[at : at + 4096].split(b"\0")[: bool(flags & 8) + bool(flags & 16)]
    return " ".join(text.decode("latin-1") for text in texts)


class Plain:
    """Bytes as they are, taken piece by piece, as an Inflater is."""

    def __init__(self, data: bytes):
        self._data, self._at = data, 0

    def take(self, n_bytes: int) -> bytes:
        """The next bytes, fewer where there are no more."""
        begin, self._at = self._at, self._at + n_bytes
        return self._data[begin : self._at]

    def finish(self) -> None:
        """Raises VolumeError where bytes are left."""
        if (left := len(self._data) - self._at) > 0:
            raise VolumeError(f"{left} bytes follow the voxels. Write the volume anew, without them")


def voxels_of(stream, n_bytes: int) -> bytes:
    """The voxels, which are all that is left of a stream.

    Raises:
        VolumeError: there are fewer bytes, or more; the stream is cut or damaged, or something follows it.
    """
    voxels = stream.take(n_bytes)
    if len(voxels) < n_bytes:
        raise VolumeError(f"cut: {len(voxels)} bytes of voxels, the header declares {n_bytes}")
    stream.finish()
    return voxels


# First bytes, what has them, and what to do about it.
FOREIGN = (
    (b"\x89PNG", "a PNG picture", f"{CONVERT}: a 3-D volume, not one file a slice"),
    (b"\xff\xd8\xff", "a JPEG picture", f"{CONVERT}: a 3-D volume, not one file a slice"),
    (b"II*\0", "a TIFF picture", CONVERT),
    (b"MM\0*", "a TIFF picture", CONVERT),
    (b"PK\3\4", "a ZIP archive", "Unpack it"),
    (b"\x89HDF", "HDF5 or MINC 2", CONVERT),
    (b"CDF\1", "MINC 1", CONVERT),
    (b"version https://git-lfs", "a pointer of Git LFS, not the file itself", "Run 'git lfs pull'"),
    (b"<!DOCTYPE", "a web page", "Download the file again"),
    (b"<html", "a web page", "Download the file again"),
    (b"NRRD000", "NRRD", "Let its name end in .nrrd"),
    (b"ObjectType", "MetaImage", "Let its name end in .mha"),
    (b"\x1f\x8b", "compressed with gzip", "Let its name end in .nii.gz where it is NIfTI"),
)
DICOM = ("a DICOM file", "Convert its series to NIfTI with 'python -m radiotrace from-dicom'")


def foreign(data: bytes) -> str | None:
    """What bytes are by their beginning, and what to do about it; None where it does not show.

    132 bytes are enough.
    """
    if data[128:132] == b"DICM":
        return ". ".join(DICOM)
    return next((f"{kind}. {way_out}" for first, kind, way_out in FOREIGN if data.startswith(first)), None)


def refusal(data: bytes) -> VolumeError:
    """Why bytes are no volume of the format that their name promises: what they are instead, where that
    shows."""
    return VolumeError(foreign(data) or f"damaged or of an unknown format ({len(data)} bytes)")
