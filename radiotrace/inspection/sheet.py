"""Sheet: one middle slice of each case, up to CASES_MAX of them, as a picture or as a page.

A case has a number there and no name: names of files may be names of people. Which number is which file, the
terminal says.
"""

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from radiotrace import records
from radiotrace.imaging.child import Limits, Refused
from radiotrace.inspection import kinds, roles
from radiotrace.inspection.crew import Crew
from radiotrace.inspection.look import Look
from radiotrace.inspection.screen import WIDTH, Paths, modality
from radiotrace.inspection.tiles import EDGE, Tile

CASES_MAX = 48
COLUMNS = 8
GAP, CAPTION = 8, 18  # pixels
FONT = 13
BACKGROUND, INK = (24, 24, 28), (235, 235, 235)
LIMITS = Limits(memory_bytes=6 * 2**30, seconds=30)
PAGE = """<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><title>Contact sheet</title>
<style>
body {{ background: #18181c; color: #ebebeb; font: 13px sans-serif; margin: 16px }}
main {{ display: grid; gap: 12px; grid-template-columns: repeat(auto-fill, minmax(170px, 1fr)) }}
figure {{ margin: 0; text-align: center }}
</style>
<h1>{title}</h1>
<main>
{figures}
</main>
</html>
"""


@dataclass(frozen=True)
class Case:
    """What a tile shows.

    Attributes:
        path: of its file, or of its first one.
        caption: without any name.
        make: the function of tiles and what it takes.
    """

    path: str
    caption: str
    make: tuple


def written(found: Look, out: Path) -> list[str]:
    """Writes the sheet, and gives lines for a terminal."""
    cases = cases_of(found)
    chosen = _spread(cases)
    if not chosen:
        return ["--sheet: nothing was written, as there is no image that could be shown"]
    with Crew(LIMITS, _ready, size=1 if len(chosen) < COLUMNS else None) as crew:
        tiles = list(crew.each(_maker(crew), chosen))
    is_page = out.suffix.lower() == ".html"
    records.write_bytes(out, page(chosen, tiles, len(cases)) if is_page else picture(tiles))
    blank = sum(tile is None for tile in tiles)
    more = f"; {blank} could not be decoded" if blank else ""
    paths = Paths(found)
    return ["", f"{out}: {len(chosen)} of {len(cases)} cases{more}", *_legend(chosen, paths)]


def _ready() -> None:
    """Imports what decodes."""
    import radiotrace.inspection.tiles  # noqa: F401


def cases_of(found: Look) -> list[Case]:
    """Volumes and pictures that are no label maps, the first channel of each, and series of DICOM; sorted."""
    root = str(found.root)
    files = [one for one in found.of(*kinds.VOLUMES, *kinds.PICTURES) if one.shapes]
    images = [one for one in files if not roles.is_label(one.path)] or files
    cases = []
    for one in images:
        if roles.channel(one.path) in (None, "0000"):
            name = "of_volume" if one.kind in kinds.VOLUMES else "of_picture"
            shape = one.shapes[0]
            cases.append(
                Case(one.path, _caption(one.kind, shape.size, shape.spacing_mm), (name, root, one.path))
            )
    for series in found.series:
        if series.shown is not None:
            caption = _caption(f"DICOM {modality(series)}", series.size, series.spacing_mm)
            cases.append(Case(series.path, caption, ("of_dicom", root, *series.shown, LIMITS)))
    return sorted(cases, key=lambda case: case.path)


def _caption(kind: str, size: Sequence[int], spacing: Sequence[float]) -> str:
    grid = " × ".join(f"{length:.3g}" for length in spacing)
    return f"{kind} {' × '.join(map(str, size))}{f', {grid} mm' if grid else ''}"


def _spread(cases: Sequence[Case]) -> list[Case]:
    """As many as a sheet shows, spread over all."""
    if len(cases) <= CASES_MAX:
        return list(cases)
    return [cases[round(index)] for index in np.linspace(0, len(cases) - 1, CASES_MAX)]


def _maker(crew: Crew) -> Callable[[Case], Tile | None]:
    def make(case: Case) -> Tile | None:
        from radiotrace.inspection import tiles  # here, because it imports the libraries that decode

        try:
            return crew.call(getattr(tiles, case.make[0]), *case.make[1:])
        except Refused:
            return None

    return make


def picture(tiles: Sequence[Tile | None]) -> bytes:
    """The sheet as a PNG, each tile over its number."""
    columns = min(COLUMNS, len(tiles))
    rows = -(-len(tiles) // columns)
    step = EDGE + GAP
    sheet = Image.new("RGB", (columns * step + GAP, rows * (step + CAPTION) + GAP), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(FONT)
    for number, tile in enumerate(tiles):
        left, top = GAP + number % columns * step, GAP + number // columns * (step + CAPTION)
        if tile is None:
            draw.rectangle((left, top, left + EDGE - 1, top + EDGE - 1), outline=INK)
            draw.line((left, top, left + EDGE - 1, top + EDGE - 1), fill=INK)
        else:
            small = Image.fromarray(tile.array)
            sheet.paste(small, (left + (EDGE - small.width) // 2, top + (EDGE - small.height) // 2))
        draw.text((left, top + EDGE + 1), str(number + 1), fill=INK, font=font)
    return _png(sheet)


def page(cases: Sequence[Case], tiles: Sequence[Tile | None], n_all: int) -> bytes:
    """The sheet as a page of one file."""
    figures = []
    for number, (case, tile) in enumerate(zip(cases, tiles, strict=True), 1):
        shown = "<p>not decoded</p>"
        if tile is not None:
            data = base64.b64encode(_png(Image.fromarray(tile.array))).decode()
            shown = f'<img alt="" src="data:image/png;base64,{data}">'
        figures.append(f"<figure>{shown}<figcaption>{number}: {case.caption}</figcaption></figure>")
    title = f"Middle slices of {len(cases)} of {n_all} cases"
    return PAGE.format(title=title, figures="\n".join(figures)).encode()


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "png", optimize=True)
    return buffer.getvalue()


def _legend(cases: Sequence[Case], paths: Paths) -> list[str]:
    """Which number is which file, in two columns."""
    half = WIDTH // 2
    names = [f"{number:3} {paths.shown(case.path, half - 6)}" for number, case in enumerate(cases, 1)]
    rows = -(-len(names) // 2)
    return [
        f"{names[row]:{half}}{names[row + rows] if row + rows < len(names) else ''}".rstrip()
        for row in range(rows)
    ]
