"""Monitoring: whether the cases of a site look like those that the model was evaluated on.

No reference label map is needed: images, predictions and embeddings are compared. A shift says that the
evaluation may not hold here, not that it does not.
"""

import hashlib
import warnings
from collections import defaultdict
from typing import Any

import numpy as np
from scipy import stats

from radiotrace import records
from radiotrace.statistics import intervals, shift

N_MIN = 10  # subjects on either side below which nothing is tested
PERMUTATIONS = 1999
GROUPS = ("input", "output")
LEVELS = ("insufficient_n", "ok", "watch", "alarm")  # from least to most
# A level needs an adjusted p of at most `rate`, and of a feature a PSI that is so far above what chance makes
# of it.
LIMITS = {"watch": {"rate": 0.05, "psi_excess": 0.1}, "alarm": {"rate": 0.01, "psi_excess": 0.25}}
HOW = {
    "subjects": "Of each subject one case, drawn by SHA-256 of seed and case_id; cases without a subject_id "
    "are subjects of their own.",
    "median": "Median with its 95 % interval between order statistics (Hettmansperger and Sheather 1986); "
    "none below 10 subjects.",
    "psi": "Population stability index, the sum over bins of (p - q) ln(p / q) (Siddiqi 2006). Bins end at "
    "the reference's deciles, and a "
    "value that fills a whole decile has a bin of its own; a share is (count + 1/2) / (n + bins / 2) "
    "over the bins that either side "
    "fills. psi_expected = (bins - 1)(1/n + 1/m) is its mean where nothing has shifted (Yurdakul and "
    "Naranjo 2020).",
    "ks": "Two-sample Kolmogorov-Smirnov statistic with two-sided p, exact up to 10000 values; with ties p "
    "is an upper bound.",
    "mmd2": "Maximum mean discrepancy, squared, unbiased, so that it may be below 0 (Gretton et al. 2012); "
    "Gaussian kernel as wide as the median "
    "distance of all pairs, over channels brought to SD 1, both from reference and new cases "
    "together, so that a permutation changes "
    "neither; p by permutation of subjects.",
    "flagged": "Share of subjects whose feature lies above the limit, with Wilson's interval, none below 10; "
    "p of Fisher's exact test that it is "
    "larger "
    "than the reference's.",
    "p_adjusted": "Benjamini-Yekutieli within input and within output, times the number of groups (input, "
    "output, embedding, flagged) that were "
    "tested.",
    "level": "alarm or watch where p_adjusted is at most the limit's rate and, of a feature, psi - "
    "psi_expected at least its psi_excess; overall "
    "the highest of all. Where nothing has shifted, at most a share of 'rate' of all reports "
    "reaches the level, however the features "
    "depend on each other, as long as no subject counts twice because its subject_id is not known. "
    "That is over references and sites "
    "together: a reference that is by chance unlike its own population raises it. Each further "
    "report is a further chance.",
}


def reference(
    cases: list[dict],
    run_id: str,
    weights_sha256: str,
    parts: list[str],
    seed: int,
    flagging: dict | None = None,
) -> dict:
    """What held-out cases look like to a model: the record 'reference', which is kept with it.

    Args:
        cases: each with case_id; subject_id, or None where it is not known; "features", as features.describe
            gives them; "embedding", (channels,). No order. Not those of the train part, of which the network
            is surer than of any other.
        run_id, weights_sha256: of the model.
        parts: of the split that the cases are of.
        seed: decides which case stands for its subject.
        flagging: {"feature", "above"}: an output feature, and the limit above which a case goes to an expert;
            None where there is none.

    Returns:
        No case is named, and the values of different features cannot be put together again: each is sorted by
        itself.
    """
    drawn = one_per_subject(cases, seed)
    return records.canonical(
        {
            "run_id": run_id,
            "weights_sha256": weights_sha256,
            "parts": sorted(parts),
            "seed": seed,
            "n_cases": len(cases),
            "n_subjects": len(drawn),
            **{
                group: {
                    name: _kept(*_values(drawn, group, name)) for name in sorted(cases[0]["features"][group])
                }
                for group in GROUPS
            },
            "embeddings": sorted(
                records.canonical([[float(value) for value in case["embedding"]] for case in drawn])
            ),
            "flagging": flagging,
            "how": {key: HOW[key] for key in ("subjects", "psi")},
        }
    )


def report(reference: dict, cases: list[dict], inputs_sha256: list[str], seed: int) -> dict:
    """How new cases differ from the reference: the record 'monitoring'. It names no case and no file.

    Args:
        reference: the record.
        cases: as of `reference`.
        inputs_sha256: of the images, in any order.
        seed: decides which case stands for its subject, and the permutations.

    Raises:
        ValueError: cases and reference have other features, or embeddings of other lengths.
    """
    drawn = one_per_subject(cases, seed)
    for group in GROUPS:
        if odd := reference[group].keys() ^ drawn[0]["features"][group].keys():
            raise ValueError(f"features of one side only: {', '.join(sorted(odd))}")
    features = {
        group: {name: _shift(kept, *_values(drawn, group, name)) for name, kept in reference[group].items()}
        for group in GROUPS
    }
    embedding = _embedding_shift(
        np.array(reference["embeddings"]),
        np.array(records.canonical([list(map(float, case["embedding"])) for case in drawn])),
        seed,
    )
    flagged = _flagged(reference, drawn) if reference["flagging"] else None
    groups = (
        [list(features[group].values()) for group in GROUPS]
        + [[embedding]]
        + ([[flagged]] if flagged else [])
    )
    _judge(groups)
    rows = [row for group in groups for row in group]
    return records.canonical(
        {
            "run_id": reference["run_id"],
            "weights_sha256": reference["weights_sha256"],
            "reference_sha256": records.digest(reference),
            "inputs_sha256": sorted(inputs_sha256),
            "seed": seed,
            "permutations": PERMUTATIONS,
            "n_min": N_MIN,
            "limits": LIMITS,
            "n_cases": len(cases),
            "n_subjects": len(drawn),
            "subjects_known": all(case["subject_id"] is not None for case in cases),
            **features,
            "embedding": embedding,
            "flagged": flagged,
            "level": max((row["level"] for row in rows), key=LEVELS.index),
            "how": HOW,
        }
    )


def one_per_subject(cases: list[dict], seed: int) -> list[dict]:
    """One case of each subject, sorted by case_id, so that the values are independent.

    Not their mean: it scatters less than a case does, so that a reference with two cases a subject would
    differ from a site with one, or from one that does not say which cases belong together.
    """
    groups = defaultdict(list)
    for case in cases:
        groups[
            ("subject", case["subject_id"]) if case["subject_id"] is not None else ("case", case["case_id"])
        ].append(case)

    def lot(case):
        return hashlib.sha256(f"{seed}/monitoring/{case['case_id']}".encode()).digest()

    return sorted((min(group, key=lot) for group in groups.values()), key=lambda case: case["case_id"])


def _values(cases: list[dict], group: str, name: str) -> tuple[list[float], int]:
    """The defined values of a feature, rounded as in a record and sorted, and how many are undefined."""
    values = [case["features"][group][name] for case in cases]
    defined = [float(value) for value in values if value is not None]
    return sorted(records.canonical(defined)), len(values) - len(defined)


def _kept(values: list[float], n_undefined: int) -> dict:
    return {"n": len(values), "n_undefined": n_undefined, "values": values, "deciles": shift.deciles(values)}


def _shift(kept: dict, values: list[float], n_undefined: int) -> dict:
    """The row of a feature, as yet without a level."""
    old, new = np.array(kept["values"]), np.array(values)
    row = {
        "reference": intervals.median(old) | {"n": len(old), "n_undefined": kept["n_undefined"]},
        "new": intervals.median(new) | {"n": len(new), "n_undefined": n_undefined},
        "psi": None,
        "psi_expected": None,
        "ks": None,
        "p": None,
    }
    if min(len(old), len(new)) >= N_MIN:
        with warnings.catch_warnings():
            # scipy then takes the asymptotic one
            warnings.filterwarnings("ignore", "ks_2samp: Exact calculation unsuccessful", RuntimeWarning)
            test: Any = stats.ks_2samp(old, new)
        row |= dict(zip(("psi", "psi_expected"), shift.psi(old, new, kept["deciles"]), strict=True))
        row |= {"ks": float(test.statistic), "p": float(test.pvalue)}
    return row


def _embedding_shift(old: np.ndarray, new: np.ndarray, seed: int) -> dict:
    if old.shape[1] != new.shape[1]:
        raise ValueError(f"embeddings of {old.shape[1]} and of {new.shape[1]} channels")
    row = {"channels": new.shape[1], "n_reference": len(old), "n_new": len(new), "mmd2": None, "p": None}
    if min(len(old), len(new)) >= N_MIN:
        row["mmd2"], row["p"] = shift.mmd(old, new, PERMUTATIONS, np.random.default_rng(seed))
    return row


def _flagged(reference: dict, cases: list[dict]) -> dict:
    """Shares above the limit on both sides."""
    feature, limit = reference["flagging"]["feature"], reference["flagging"]["above"]

    def side(values, n_undefined):
        about = {
            "n": len(values),
            "n_undefined": n_undefined,
            "flagged": sum(value > limit for value in values),
            "share": None,
            "ci95_low": None,
            "ci95_high": None,
        }
        if values:
            hits = {str(number): (int(value > limit), 1) for number, value in enumerate(values)}
            interval = intervals.proportion(hits, {number: number for number in hits})
            about |= {
                "share": interval["value"],
                "ci95_low": interval["ci95_low"],
                "ci95_high": interval["ci95_high"],
            }
        return about

    kept = reference["output"][feature]
    old, new = side(kept["values"], kept["n_undefined"]), side(*_values(cases, "output", feature))
    p = None
    if min(old["n"], new["n"]) >= N_MIN:
        table = [[counts["flagged"], counts["n"] - counts["flagged"]] for counts in (new, old)]
        test: Any = stats.fisher_exact(table, alternative="greater")
        p = float(test.pvalue)
    return {**reference["flagging"], "reference": old, "new": new, "p": p}


def _judge(groups: list[list[dict]]) -> None:
    """Gives every row its adjusted p and its level."""
    tested = [[row for row in group if row["p"] is not None] for group in groups]
    tested = [group for group in tested if group]
    for group in tested:
        for row, p in zip(
            group, stats.false_discovery_control([row["p"] for row in group], method="by"), strict=True
        ):
            row["p_adjusted"] = min(1.0, float(p) * len(tested))
    for row in (row for group in groups for row in group):
        row.setdefault("p_adjusted", None)
        row["level"] = level(row)


def level(row: dict) -> str:
    """The level of a row with p, p_adjusted and, of a feature, psi and psi_expected; see HOW."""
    if row["p"] is None:
        return "insufficient_n"
    excess = row["psi"] - row["psi_expected"] if "psi" in row else np.inf
    reached = [
        name
        for name, limit in LIMITS.items()
        if row["p_adjusted"] <= limit["rate"] and excess >= limit["psi_excess"]
    ]
    return max(["ok", *reached], key=LEVELS.index)
