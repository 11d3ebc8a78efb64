"""Identity of data: the manifest of raw files, and the digest of an image's voxels."""

import hashlib
import os
from pathlib import Path

import SimpleITK as sitk

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.imaging import volumes


def files_below(folder) -> list[str]:
    """Every file below a folder, as sorted relative paths with forward slashes."""
    folder = Path(folder)
    return sorted(
        (Path(parent) / name).relative_to(folder).as_posix()
        for parent, _, names in os.walk(folder)
        for name in names
    )


def manifest(folder) -> str:
    """The manifest of a folder: one line a file, SHA-256, two spaces, path; `sha256sum -c` reads it.

    Raises:
        StageError: there is nothing in the folder, so that the manifest would hold for any data; or a link
            points to no file; or a name holds a line break or another character that no line of a manifest
            can show.
    """
    folder = Path(folder)
    paths = files_below(folder)
    if not paths:
        raise StageError(
            f"0 files in {folder}/",
            way_out="Put a data set there (README, 'Your own data'), "
            f"or run 'git checkout {folder}.dvc && dvc pull {folder}.dvc'.",
        )
    if unseen := [f"{folder.as_posix()}/{path}" for path in paths if not path.isprintable()]:
        raise StageError(
            f"{len(unseen)} names of files in {folder}/ hold characters that are not seen, such "
            f"as line breaks",
            unseen,
            "Rename them.",
        )
    if dangling := [f"{folder.as_posix()}/{path}" for path in paths if not (folder / path).is_file()]:
        raise StageError(
            f"{len(dangling)} links of {folder}/ point to no file, or are pipes or devices",
            dangling,
            "Remove them, or put the files there.",
        )
    return "".join(f"{records.sha256(folder / path)}  {folder.as_posix()}/{path}\n" for path in paths)


def check_manifest(folder, manifest_path) -> None:
    """Stops when the files of a folder are not exactly those of its manifest.

    Raises:
        StageError: names every file that is changed, missing or not listed.
    """
    found, expected = _parse(manifest(folder)), _read(manifest_path)
    faults = [
        f"{path}: changed, SHA-256 found {found[path][:12]}…, expected {expected[path][:12]}…"
        for path in sorted(found.keys() & expected.keys())
        if found[path] != expected[path]
    ]
    faults += [f"{path}: missing" for path in sorted(expected.keys() - found.keys())]
    faults += [f"{path}: not in the manifest" for path in sorted(found.keys() - expected.keys())]
    if faults:
        raise StageError(
            f"{len(faults)} files of {folder}/ differ from {manifest_path}",
            faults,
            "Restore the data with 'git checkout data.dvc && dvc pull --force data.dvc'; "
            "or, if the change is meant, run 'make manifest' and commit it.",
        )


def check_read(folder, manifest_path, sha256_of: dict[str, str]) -> None:
    """Stops when the bytes that were read are not those of the manifest: a file changed after check_manifest
    had looked at it.

    Args:
        sha256_of: path in the folder -> SHA-256 of what was read.

    Raises:
        StageError: names every such file.
    """
    expected = listed(folder, manifest_path)
    changed = [
        f"{path}: SHA-256 read {digest[:12]}…, expected {expected.get(path, 'nothing')[:12]}…"
        for path, digest in sorted(sha256_of.items())
        if expected.get(path) != digest
    ]
    if changed:
        raise StageError(
            f"{len(changed)} files of {folder}/ changed while they were read",
            changed,
            "Let nothing write there, then run it again.",
        )


def listed(folder, manifest_path) -> dict[str, str]:
    """Path in the folder -> SHA-256, as the manifest has them.

    Raises:
        StageError: the file is no manifest.
    """
    start = f"{Path(folder).as_posix()}/"
    return {path.removeprefix(start): sha256 for path, sha256 in _read(manifest_path).items()}


def _read(manifest_path) -> dict[str, str]:
    """path -> SHA-256."""
    try:
        return _parse(Path(manifest_path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise StageError(
            f"{manifest_path} is not a manifest: {error}",
            way_out="Restore it with git, or run 'make manifest'.",
        ) from None


def _parse(text: str) -> dict[str, str]:
    """path -> SHA-256."""
    entries = {}
    for line in text.splitlines():
        digest, separator, path = line.partition("  ")
        if not separator or len(digest) != 64:
            raise ValueError(f"not 'SHA-256  path': {line!r}")
        entries[path] = digest
    return entries


def voxels_sha256(volume: sitk.Image) -> str:
    """SHA-256 of size and values of a canonical volume, whatever its pixel type, spacing or place in the
    world.

    Two files with the same voxels have the same digest, even if one is stored as uint8 and the other as
    float32.
    """
    array = volumes.array_zyx(volume).astype("<f8", order="C") + 0.0  # + 0.0: turns -0.0 into 0.0
    return hashlib.sha256(repr(array.shape).encode() + array.tobytes()).hexdigest()
