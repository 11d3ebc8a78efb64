"""Unpacking: an archive becomes a folder, within limits; links, devices and what leads out are refused."""

import gzip
import lzma
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, cast

from radiotrace.imaging import archives
from radiotrace.imaging.archives import Refused

FILES_MAX = 1_000_000
TIMES_MAX = 10  # unpacked, of the archive's bytes: images compress to a third, bombs to a thousandth
BYTES_MIN = 64 * 2**20  # that may be unpacked of an archive however small
BLOCK = 512  # of a tar


def bytes_max(archive_bytes: int) -> int:
    """How much an archive may hold."""
    return max(BYTES_MIN, TIMES_MAX * archive_bytes)


def unpack(path: Path, kind: str, folder: Path) -> None:
    """Writes all files of an archive below a folder that is not there yet.

    Args:
        kind: tar, also where it is compressed, or zip.

    Raises:
        Refused: it is damaged, holds a link, a device or a name that leads out of it, has a name twice, or is
            too large.
    """
    limit = bytes_max(path.stat().st_size)
    folder.mkdir(parents=True)
    if kind == "zip":
        archives.unpack(path, folder, limit, FILES_MAX)
    else:
        _unpack_tar(path, folder, limit)


def files_of(folder: Path) -> Iterator[PurePosixPath]:
    """Each file below a folder, by its path in it, sorted; without what Finder puts into archives."""
    for path in sorted(folder.rglob("*")):
        relative = PurePosixPath(path.relative_to(folder).as_posix())
        if path.is_file() and not is_of_finder(relative):
            yield relative


def is_of_finder(path: PurePosixPath) -> bool:
    """Whether a file is one that macOS adds: the archives of the Decathlon have one beside each image."""
    return path.name.startswith("._") or path.name == ".DS_Store" or "__MACOSX" in path.parts


def _unpack_tar(path: Path, folder: Path, limit: int) -> None:
    names: set[str] = set()
    left = limit
    try:
        with tarfile.open(path, "r:*") as archive:
            for member in archive:
                left -= max(member.size, 0) + BLOCK
                if left < 0:
                    raise Refused(f"unpacked, it would be more than {limit} bytes")
                _check(member)
                name = str(PurePosixPath(member.name))
                if member.isfile() and name in names:
                    raise Refused("a name in it stands twice, or is that of a file and of a folder")
                names.add(name)
                if len(names) > FILES_MAX:
                    raise Refused(f"holds more than {FILES_MAX} files")
                if member.isfile():
                    _write(archive.extractfile(member), folder / name)
    except (tarfile.TarError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, EOFError) as error:
        raise Refused(f"no tar archive that can be read ({type(error).__name__})") from None
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise Refused("a name in it stands twice, or is that of a file and of a folder") from None


def _write(content: IO[bytes] | None, path: Path) -> None:
    """Bytes alone: neither owner, mode nor time of a member count, and no file is written over. tarfile's own
    filter for this came with Python 3.11.4."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        shutil.copyfileobj(cast(IO[bytes], content), file)


def _check(member: tarfile.TarInfo) -> None:
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts or "\\" in member.name or "\0" in member.name:
        raise Refused("holds a name that leads out of it")
    if member.issym() or member.islnk():
        raise Refused("holds a link")
    if not (member.isfile() or member.isdir()):
        raise Refused("holds a device, or what is neither file nor folder")
