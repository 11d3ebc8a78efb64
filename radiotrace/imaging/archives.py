"""Archives: a ZIP of images, unpacked within limits."""

import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from radiotrace.imaging.content import DECODED_BYTES_MAX

FILES_MAX = 100_000
BYTES_MAX = 4 * DECODED_BYTES_MAX  # of all that is in it
PIECE = 2**20
ENCRYPTED = 1  # bit of a member's flags


class Refused(Exception):
    """An archive that is not unpacked; its text says why."""


def is_archive(path: Path) -> bool:
    """Whether a file is a ZIP by its name."""
    return path.suffix.lower() == ".zip"


def unpack(path: Path, folder: Path, bytes_max: int | None = None, files_max: int | None = None) -> None:
    """Writes all files of an archive below a folder that is not there yet, or is empty.

    What it declares is looked at first; what it then holds is counted, and no more of it is inflated.

    Args:
        bytes_max: of all that is in it; BYTES_MAX where it is None.
        files_max: FILES_MAX where it is None.

    Raises:
        Refused: it is no ZIP, is damaged or encrypted, holds a link or a name that leads elsewhere, has a
            name twice, or is too large.
    """
    bytes_max = BYTES_MAX if bytes_max is None else bytes_max
    files_max = FILES_MAX if files_max is None else files_max
    try:
        with zipfile.ZipFile(path) as archive:
            files = [member for member in archive.infolist() if not member.is_dir()]
            _check(files, bytes_max, files_max)
            left = bytes_max
            for member in files:
                place = folder / member.filename
                place.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, open(place, "xb") as target:
                    while piece := source.read(PIECE):
                        left -= len(piece)
                        if left < 0:
                            raise Refused(f"unpacked, it would be more than {bytes_max} bytes")
                        target.write(piece)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise Refused(f"no ZIP archive that can be read ({type(error).__name__})") from None
    except (FileExistsError, NotADirectoryError):
        raise Refused("a name in it stands twice, or is that of a file and of a folder") from None


def _check(files: list[zipfile.ZipInfo], bytes_max: int, files_max: int) -> None:
    if len(files) > files_max:
        raise Refused(f"holds {len(files)} files, at most {files_max} are unpacked")
    if sum(member.file_size for member in files) > bytes_max:
        raise Refused(f"declares more than {bytes_max} bytes")
    for member in files:
        name = PurePosixPath(member.filename)
        if name.is_absolute() or ".." in name.parts or "\\" in member.filename or ":" in member.filename:
            raise Refused("holds a name that leads out of it")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise Refused("holds a link")
        if member.flag_bits & ENCRYPTED:
            raise Refused("is encrypted; unpack it yourself")
