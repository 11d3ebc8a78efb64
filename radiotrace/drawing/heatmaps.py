"""Heat maps over images: one SVG file, the same bytes every time, readable with any colour vision and
offline."""

import matplotlib
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from radiotrace.drawing.figures import STYLE, svg

COLOURS = matplotlib.colormaps["viridis"]  # equal steps look equal, to a colour-blind reader too
STEPS = 10  # of colour: fewer make smaller files
GREYS = matplotlib.colormaps["gray"].resampled(32)  # likewise
OPAQUE = 0.75  # where a map is 1; it is transparent where it is 0
GREY = 0.35  # what the colour bar lies on, as the image below a map
HALO = [withStroke(linewidth=2.5, foreground="black")]
# behind text: with a halo each letter would be a path of its own
PLATE = {"facecolor": "black", "alpha": 0.5, "linewidth": 0, "pad": 0.8}
# (name, letters on the left and on top) of the planes across z, y, x of an LPS array. z grows towards the
# head: coronal and sagittal slices are drawn from below, so that the head is up.
PLANES = (("axial", "RA"), ("coronal", "RS"), ("sagittal", "AS"))
SCALES_MM = (1, 2, 5, 10, 20, 50)
REACH_MM = 60  # what is shown of an image, from the centre


def overlays(rows: list[dict], title: str, meaning: str) -> bytes:
    """Maps over images, each in three planes through one voxel, with the outline of a mask.

    Args:
        rows: {"title", "image_zyx", "map_zyx" (0 to 1), "mask_zyx" (bool), "spacing_zyx" in mm, "centre_zyx"
            (a voxel)}, on the canonical LPS grid. Of a large image the surroundings of the centre are shown.
            Where the map is None the title stands alone, and says why.
        title: what the maps are and what they are not.
        meaning: of 0 and 1, below the colour bar.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8, 2.1 * len(rows) + 1.5), layout="constrained")
        figure.suptitle(title, fontsize=9, x=0.01, ha="left")
        grid = figure.subplots(len(rows), 3, squeeze=False)
        for axes_of_row, row in zip(grid, rows, strict=True):
            if row["map_zyx"] is None:
                for axes in axes_of_row:
                    axes.set_axis_off()
            else:
                _row(axes_of_row, row)
            # it may run over the next columns
            axes_of_row[0].set_title(row["title"], loc="left").set_in_layout(False)
        colours = _heat(np.linspace(0, 1, 256))
        seen = ListedColormap(colours[:, :3] * colours[:, 3:] + GREY * (1 - colours[:, 3:]))
        bar = figure.colorbar(ScalarMappable(cmap=seen), ax=grid, location="bottom", aspect=50, pad=0.02)
        bar.set_label(meaning)
        figure.legend(
            handles=[
                Line2D([], [], color="white", lw=1.2, path_effects=HALO, label="outline of the prediction")
            ],
            loc="outside lower center",
            frameon=False,
        )
        return svg(figure)


def _heat(values: np.ndarray) -> np.ndarray:
    """Colours of values between 0 and 1, (…, 4)."""
    values = np.round(values * STEPS) / STEPS
    colours = COLOURS(values)
    colours[..., 3] = OPAQUE * values
    return colours


def _row(axes_of_row, row: dict) -> None:
    low, high = np.percentile(row["image_zyx"], (1, 99.5))
    for axis, (axes, (plane, letters)) in enumerate(zip(axes_of_row, PLANES, strict=True)):
        across, index = [dimension for dimension in range(3) if dimension != axis], row["centre_zyx"][axis]
        height, width = (row["spacing_zyx"][dimension] for dimension in across)
        bottom, top, left, right = (edge for dimension in across for edge in _shown(row, dimension))
        image, heat, mask = (np.take(row[name], index, axis) for name in ("image_zyx", "map_zyx", "mask_zyx"))
        # The pixels of the image itself where it is small; else those of the panel, which are fewer then.
        placed = {
            "aspect": height / width,
            "origin": "upper" if axis == 0 else "lower",
            "interpolation": "none" if max(image.shape) < 150 else "nearest",
        }
        axes.imshow(image, cmap=GREYS, vmin=low, vmax=high, **placed)
        axes.imshow(_heat(heat), **placed)
        if min(mask.shape) > 1:  # of a picture, planes across it are a line of voxels, which has no outline
            outline = axes.contour(mask, [0.5], colors="white", linewidths=1.2, path_effects=HALO)
            # without the points on straight lines
            outline.set_paths([path.cleaned(simplify=True) for path in outline.get_paths()])
        axes.set(
            xticks=[],
            yticks=[],
            xlabel=f"{plane}, slice {index}",
            xlim=(left, right),
            ylim=(top, bottom) if axis == 0 else (bottom, top),
        )
        for letter, place in zip(letters, ((0.04, 0.5), (0.5, 0.94)), strict=True):
            axes.text(
                *place, letter, color="white", ha="center", va="center", transform=axes.transAxes, bbox=PLATE
            )
        axes.spines[:].set_visible(False)
        _scale(axes, width * (right - left))


def _shown(row: dict, axis: int) -> tuple[float, float]:
    """Edges of what is shown along an axis, in voxels, whose centres are whole numbers."""
    centre, reach = row["centre_zyx"][axis], int(REACH_MM / row["spacing_zyx"][axis])
    return max(0, centre - reach) - 0.5, min(row["image_zyx"].shape[axis], centre + reach + 1) - 0.5


def _scale(axes, width_mm: float) -> None:
    """A bar of a round length, no longer than a third of the panel where it can be."""
    length = max((scale_mm for scale_mm in SCALES_MM if scale_mm <= width_mm / 3), default=SCALES_MM[0])
    share = length / width_mm
    axes.plot(
        (0.95 - share, 0.95),
        (0.08, 0.08),
        color="white",
        lw=2,
        transform=axes.transAxes,
        path_effects=HALO,
        solid_capstyle="butt",
    )
    axes.text(
        0.95 - share / 2,
        0.13,
        f"{length} mm",
        color="white",
        fontsize=7,
        ha="center",
        va="bottom",
        transform=axes.transAxes,
        bbox=PLATE,
    )
