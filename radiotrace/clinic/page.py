"""Page: all cases of a batch, what was predicted of each, and which were not predicted and why."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from radiotrace.records.model import ReleasedModel
from radiotrace.records.prediction import Prediction

TEMPLATE = Path(__file__).resolve().parent / "templates/predictions.html"


def html(model: ReleasedModel, predictions: Sequence[Prediction], faults: Mapping[str, list[str]]) -> str:
    """The page, which lies beside the folders of the cases.

    Args:
        predictions: sorted; those of this batch.
        faults: case -> why there is no prediction of it.
    """
    import jinja2  # here, because the other commands need it not

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(TEMPLATE.read_text("utf-8"))
    flagged = [one for one in predictions if one.review.is_flagged]
    forced = [one for one in predictions if one.contract.is_forced]
    return template.render(
        model=model,
        predictions=predictions,
        faults=faults,
        flagged=flagged,
        forced=forced,
        link=lambda one, file: quote(f"{one.case_id}/{file}"),
    )
