"""Methods: how the numbers of the record 'metrics' were made, in words, for who has the record and not the
code."""

from radiotrace.classification import measures
from radiotrace.records.sections.classification.evaluate import EvaluateParams

CALIBRATION = {
    "platt": "a line for the log odds of each label, fitted to the validation part (Platt 1999); a "
    "temperature where a case has one class of three or more",
    "temperature": "one temperature of all logits, fitted to the validation part (Guo et al. 2017, "
    "arXiv:1706.04599)",
    "none": "none: after is as before",
}


def texts(settings: EvaluateParams) -> dict[str, str]:
    """Key of the record -> what it is, when it is undefined, and its source."""
    return dict(**_texts(settings), **{one.name: one.method(vars(settings)) for one in measures.TABLE})


def _texts(settings: EvaluateParams) -> dict[str, str]:
    return {
        "mean": "over cases. mean_of_labels: of the mean over a case's labels",
        "interval": "95 %, ci95_low to ci95_high, over subjects. Of means: the wider, on either side, of "
        "Student's and of Hall's. Areas under ROC curves: DeLong 1988 (doi:10.2307/2531595), by subject "
        "(Obuchowski 1997), on the scale of logits. Shares at a threshold: Wilson 1927, on the number of "
        "independent cases that the subjects are worth. auprc, f1, balanced_accuracy, matthews and decision "
        f"curves: percentiles of {settings.resamples} bootstrap samples of subjects, as many with a positive "
        "case and without as there are. Where there is none, no_interval says why",
        "discrimination": "of the probability of a label, against all cases without it; auprc is average "
        "precision, which a guess has at the prevalence",
        "operating_points": "at the probability that the rule chose on the validation part; ppv and npv "
        "hold at the prevalence of the test part alone. at_half: at .5, where nothing was chosen",
        "calibration": f"{CALIBRATION[settings.calibration]}; expected_error: {settings.bins} bins of as "
        "many cases as ties allow; in_the_large and slope: logistic recalibration (Cox 1958); mean_gap: to a "
        "lowess curve (Austin and Steyerberg 2019, doi:10.1002/sim.8281)",
        "decision_curve": "net benefit TP/n - FP/n x t/(1-t) (Vickers and Elkin 2006, "
        "doi:10.1177/0272989X06295361), at the prevalence of the test part, which is that of who was sampled",
        "uncertainty": "entropy of the probabilities as a share of the most that it can be: of one "
        f"prediction, of the mean of {settings.dropout_passes} passes with features dropped out, of "
        f"{settings.augmentation_passes} passes of a varied picture, of the ensemble. auroc: of cases that "
        "were told wrongly; aurc: area under risk and coverage",
        "subgroups": "share of cases that are told rightly; gaps with simultaneous intervals (Bonferroni), p "
        "by Mann-Whitney, adjusted (Benjamini and Yekutieli 2001)",
        "worst_cases": "of which the network thought the truth least probable",
    }
