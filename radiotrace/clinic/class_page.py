"""Class page: what was told of a batch of pictures, beside each picture, and of which nothing was told and
why."""

import base64
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image as Picture

from radiotrace.clinic import overview
from radiotrace.records.classification.prediction import PredictedClasses

TEMPLATE = Path(__file__).resolve().parent / "templates/classes.html"
EDGE = 160  # pixels, of the longest edge of a picture on the page
NOTHING = "none of them"


def html(predicted: PredictedClasses, pictures: Mapping[str, str]) -> str:
    """The page, which needs no other file.

    Args:
        pictures: case -> as `shown` makes it.
    """
    import jinja2  # here, because the other commands need it not

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    counts = Counter(", ".join(case.told) or NOTHING for case in predicted.cases)
    return environment.from_string(TEMPLATE.read_text("utf-8")).render(
        predicted=predicted,
        pictures=pictures,
        counts=sorted(counts.items()),
        nothing=NOTHING,
        flagged=[case for case in predicted.cases if case.is_flagged],
        forced=[case for case in predicted.cases if case.contract.is_forced],
    )


def shown(values_cyx: np.ndarray) -> str:
    """A picture as the address of itself, from the darkest to the brightest of its pixels.

    Args:
        values_cyx: three channels are shown as red, green and blue; of any other number the first one is.
    """
    values = values_cyx.astype(np.float64)
    values = values if len(values) == 3 else values[:1]
    low, high = values.min(), values.max()
    scaled = np.rint((values - low) / max(high - low, 1e-12) * 255).astype(np.uint8)
    made = Picture.fromarray(scaled.transpose(1, 2, 0) if len(scaled) == 3 else scaled[0])
    made.thumbnail((EDGE, EDGE))
    return "data:image/png;base64," + base64.b64encode(overview.png(np.asarray(made))).decode()
