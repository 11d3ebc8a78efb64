"""Links: where a file of the data folder really lies.

Only the folder itself and DVC's own cache are the data's places.
"""

import re
from functools import lru_cache
from pathlib import Path

OBJECT = re.compile(r"files/md5/[0-9a-f]{2}/[0-9a-f]{30}")


def leaves(folder: Path, path: str) -> bool:
    """Whether a path in a folder leads out of it, and to no object of the cache of the folder's DVC project.

    Links into that cache are how DVC checks data out under `dvc config cache.type symlink`; where the cache
    lies, DVC's configuration says. The manifest holds their contents as it holds those of plain files.
    """
    real = (folder / path).resolve()
    if real.is_relative_to(folder.resolve()):
        return False
    cache = _cache(folder.absolute())
    return (
        cache is None
        or not real.is_relative_to(cache)
        or not OBJECT.fullmatch(real.relative_to(cache).as_posix())
    )


@lru_cache(maxsize=1)
def _cache(folder: Path) -> Path | None:
    """DVC's cache of the project that a folder lies in, or None where it lies in none."""
    root = next((parent for parent in (folder, *folder.parents) if (parent / ".dvc").is_dir()), None)
    if root is None:
        return None
    from dvc.config import (
        Config,
        ConfigError,
    )  # here, because it takes a quarter of a second and few data have links

    try:
        named = Config(str(root / ".dvc"))["cache"].get("dir")
    except ConfigError:
        return None
    return ((root / ".dvc" / named) if named else root / ".dvc/cache").resolve()
