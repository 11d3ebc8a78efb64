"""Methods: how the numbers of the record 'metrics' were made, in words, for who has the record and not the
code."""

from radiotrace.records.sections.segmentation.evaluate import EvaluateParams
from radiotrace.segmentation import measures

EMPTY_REFERENCE = {
    "undefined": "a case without a label is an exception: overlap is undefined where nothing is predicted "
    "either, 0 where anything is",
    "score": "a case without a label is a case like any other: overlap is 1 where nothing is predicted, 0 "
    "where anything is; what says nothing "
    "without a reference is of the other cases alone, n_not_applicable counts these",
}


def texts(settings: EvaluateParams) -> dict[str, str]:
    """Key of the record -> what it is, when it is undefined, and its source.

    Args:
        settings: the section evaluate of params.yaml, and the seed.
    """
    # as keywords: a measure of the name of another text is an error
    return dict(
        **_texts(settings), **{measure.name: measure.method(vars(settings)) for measure in measures.TABLE}
    )


def _texts(settings: EvaluateParams) -> dict[str, str]:
    """What is no measure."""
    margin = settings.calibration_margin_voxels
    return {
        "mean": "over cases in which the measure is defined; n_undefined counts the others. mean_of_labels: "
        "of the mean over a case's labels, "
        "undefined where any label is",
        "interval": "95 %, ci95_low to ci95_high, over subjects: the wider, on either side, of Student's and "
        "of Hall's, which mends skewness "
        "(1992, J. R. Statist. Soc. B 54:221), of jackknife values; correlations on Fisher's "
        "scale, areas under curves as logits, "
        "rank statistics by the normal quantile; shares by Wilson's, of the units that the "
        "subjects are worth (Wilson 1927, "
        "doi:10.1080/01621459.1927.10502953). Nothing is drawn by lot. Where there is none, "
        "no_interval says why: fewer than 10 "
        "subjects, subjects that do not differ, or a statistic of which none is known to cover",
        "empty_reference": EMPTY_REFERENCE[settings.empty_reference],
        "volume_agreement": "Bland-Altman: mean difference and 1.96 SD around it (Bland and Altman 1999, "
        "doi:10.1177/096228029900800204); slope: of "
        "the difference against the mean of both, below 0 where small ones come out too "
        "large and large ones too small; "
        "concordance: Lin 1989, doi:10.2307/2532051",
        "detection": "objects are connected components; one is found, and a predicted one is right, where at "
        "least "
        f"{settings.object_overlap_min:g} of its voxels lie in the other mask. case_sensitivity: of "
        f"the cases with the label, those "
        "in which an object is found; case_specificity: of those without it, those in which "
        "none is predicted",
        "calibration": f"over voxels of a label, by reference or prediction, and within {margin} voxels "
        f"around them; expected_error: 15 bins of "
        "equal width (Naeini et al. 2015, doi:10.1609/aaai.v29i1.9602), pooled over all these "
        "voxels; expected_error_of_case: of one "
        "case, mean over cases; expected_error_inside: pooled over the voxels of a label "
        "alone, by reference or prediction; "
        "brier: sum over labels of (probability - truth)^2, by mean; after: logits divided by "
        "the "
        "temperature (Guo et al. 2017, arXiv:1706.04599)",
        "uncertainty": "score: 1 - the Dice that the probabilities expect of the prediction, mean of the "
        "labels that are predicted (soft Dice confidence, Borges et al. 2024, arXiv:2402.10665); "
        "entropy_nats: mean over the voxels that are predicted to be of a label. dropout: "
        f"{settings.dropout_passes} passes (Gal and Ghahramani 2016, arXiv:1506.02142); "
        f"augmentation: {settings.augmentation_passes} passes "
        "(Wang et al. 2019, doi:10.1016/j.neucom.2019.01.103); ensemble: this model and those "
        "of members (Lakshminarayanan et al. "
        "2017, arXiv:1612.01474); prediction: of one prediction. "
        "aurc: mean of the risk-coverage "
        "curve, risk 1 - Dice (Geifman and El-Yaniv 2017, arXiv:1705.08500); spearman: of "
        "score and Dice; auroc: of cases with a "
        f"Dice below {settings.poor_dice:g}; mutual_information_nats: what the passes disagree "
        f"about (Houlsby et al. 2011, "
        "arXiv:1112.5745); flagging: of subjects with a case above the threshold; surprise: "
        "chance of so many or more, had they "
        "been drawn as the validation subjects were (beta-binomial)",
        "subgroups": "mean of a case's labels, with the interval of each group by itself; gap: the group "
        "minus all other cases that have a group; "
        "gap_simultaneous95: all of these intervals hold at once (Bonferroni; Dunn 1961, "
        "doi:10.1080/01621459.1961.10482090); p: "
        "Mann-Whitney of the means of subjects; p_adjusted: over all comparisons (Benjamini and "
        "Yekutieli 2001, "
        "doi:10.1214/aos/1013699998); a group that stands under several names is compared once "
        "and listed once, with the others "
        f"under also, and two groups that are all there is are one comparison; insufficient_n: "
        f"fewer than "
        f"{settings.subgroup_subjects_min} subjects on a side. derived_: of the images and "
        f"references themselves, low to high by terciles",
        "decisions": "made on the validation part alone, before the test part was opened; flag_above: "
        "split-conformal by subject, whose highest "
        f"case counts, so that at most {settings.flag_share:g} of new subjects lie above on average "
        f"over validation parts, where they "
        "are drawn alike (Vovk et al. 2005, doi:10.1007/b106715); share_ci95: of one such part "
        "(Vovk 2012, arXiv:1209.2673)",
    }
