"""Methods: how the numbers of the record 'metrics' were made, in words, for who has the record and not the
code."""

from radiotrace.detection import measures, operating
from radiotrace.records.sections.detection.evaluate import EvaluateParams


def texts(settings: EvaluateParams) -> dict[str, str]:
    """Key of the record -> what it is, when it is undefined, and its source."""
    return dict(**_texts(settings), **{one.name: one.method(vars(settings)) for one in measures.TABLE})


def _texts(settings: EvaluateParams) -> dict[str, str]:
    limits = ", ".join(f"{limit:g}" for limit in settings.size_limits) or "none"
    calibration = (
        "a line for the log odds of the scores of each label, fitted to hits of the validation part (Platt "
        "1999)"
        if settings.calibration == "platt"
        else "none: after is as before"
    )
    return {
        "mean": "over images. mean_of_labels: of the mean over an image's labels, those left out of which "
        "the measure is undefined there",
        "interval": "95 %, ci95_low to ci95_high, over subjects. Of means: the wider, on either side, of "
        "Student's and of Hall's. Sensitivity and precision at a score: Wilson 1927, on the number of "
        "independent boxes that the subjects are worth. Average precision, mean average precision, recall "
        f"and FROC: percentiles of {settings.resamples} bootstrap samples of subjects, each drawn with all "
        "its images. Where there is none, no_interval says why",
        "average_precision": "COCO's (Lin et al. 2014, arXiv:1405.0312): mean over 101 recalls of the "
        "highest precision at that recall or more, from the highest score, each true box matched once; ap "
        f"over overlaps .50 to .95; at most {settings.boxes_max} boxes of a label and an image, with a score "
        f"of {settings.score_min:g} at least. A label without a true box is left out of the mean, and named",
        "by_size": f"of the area or volume of a true box in voxels of the canonical image; limits: {limits}",
        "froc": "sensitivity with at most so many false positives an image (Bunch et al. 1978; Setio et al. "
        f"2017, doi:10.1016/j.media.2017.06.015), a hit at an overlap (IoU) of {settings.froc_overlap:g}; a "
        "second box on a true one is a false positive; nothing is interpolated",
        "operating_points": f"at the score that was chosen on the validation part: "
        f"{operating.words(settings.operating_point)}; a hit at an overlap of {settings.hit_overlap:g}",
        "calibration": f"{calibration}; of a box of a prediction, whatever its score, that it is a hit; "
        f"expected_error: {settings.bins} bins of as many boxes as ties allow; in_the_large and slope: "
        "logistic recalibration (Cox 1958)",
        "subgroups": "F1 of an image, by mean over its labels; gaps with simultaneous intervals "
        "(Bonferroni), p by Mann-Whitney, adjusted (Benjamini and Yekutieli 2001)",
        "worst_cases": "with the smallest F1",
    }
