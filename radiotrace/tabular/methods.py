"""Methods: how the numbers of the record 'metrics' were made, in words, for who has the record and not the
code."""

from radiotrace.records.sections.tabular.evaluate import EvaluateParams
from radiotrace.tabular import measures

CALIBRATION = {
    "line": "a line on the scale of the link, fitted to the validation part: of a binary outcome Platt's "
    "(1999); of an event in time the slope of a Cox model and the shift that gives the share which "
    "Kaplan-Meier shows",
    "none": "none: after is as before",
}


def texts(settings: EvaluateParams) -> dict[str, str]:
    """Key of the record -> what it is, when it is undefined, and its source."""
    return dict(**_texts(settings), **{one.name: one.method(vars(settings)) for one in measures.TABLE})


def _texts(settings: EvaluateParams) -> dict[str, str]:
    return {
        "mean": "over cases. mean_of_labels: of the one event that there is",
        "interval": "95 %, ci95_low to ci95_high, over subjects. Of means and ratios: the wider, on either "
        "side, of Student's and of Hall's, of jackknife values. Areas under ROC curves of a binary outcome: "
        "DeLong 1988 (doi:10.2307/2531595), by subject; concordance and areas of an event in time: jackknife "
        "on the scale of logits. Shares: Wilson 1927; weighted ones, jackknife. auprc, decision curves, gaps "
        f"of concordance and what groups are apart: percentiles of {settings.resamples} bootstrap samples of "
        "subjects. Slope and in the large: from standard errors, or from the interval of Kaplan-Meier. Where "
        "there is none, no_interval says why",
        "weights": "of an event in time by the horizon: 1 over the chance of being still followed, by "
        "Kaplan-Meier in the test part, which holds where censoring depends on nothing (Graf et al. 1999); "
        "intervals take the weights as known",
        "discrimination": "concordance: Harrell's; uno: Uno et al. 2011 (doi:10.1002/sim.4154) up to the "
        "horizon; auroc of an event in time: cumulative and dynamic, by the horizon (Uno et al. 2007)",
        "operating_points": "at the risk that was chosen on the validation part; ppv and npv hold at the "
        "prevalence of the test part alone",
        "calibration": f"{CALIBRATION[settings.calibration]}. expected_error: mean distance to a lowess "
        "curve (Austin and Steyerberg 2019, doi:10.1002/sim.8281), of an event in time of "
        "pseudo-observations (Andersen et al. 2003; Gerds et al. 2014, doi:10.1002/sim.6152); ratio, "
        "in_the_large, slope: McLernon et al. 2023, doi:10.7326/M22-0844, Van Calster et al. 2019, "
        "doi:10.1186/s12916-019-1466-7. No Hosmer-Lemeshow test: it hangs on its groups and says nothing of "
        "how far, or which way",
        "decision_curve": "net benefit TP/n - FP/n x t/(1-t) (Vickers and Elkin 2006); of an event in time "
        "with Kaplan-Meier among who is acted on (Vickers et al. 2008, doi:10.1186/1472-6947-8-53)",
        "comparison": "other models on the same cases, before calibration; gap: theirs minus that of the "
        "released one, paired",
        "subgroups": "mean square of outcome minus risk, over cases whose outcome is known; gaps with "
        "simultaneous intervals (Bonferroni), p by Mann-Whitney, adjusted (Benjamini and Yekutieli 2001)",
        "fairness": "largest minus smallest over groups of an attribute that have "
        f"{settings.subgroup_subjects_min} subjects at least: of the share that is called (demographic "
        "parity), of sensitivity (equal opportunity; Hardt et al. 2016, arXiv:1610.02413), of sensitivity or "
        "of false alarms (equalised odds), of log observed over predicted, of concordance",
        "worst_cases": "largest square of outcome minus risk, weighted",
    }
