"""generate: makes an openly synthetic data set, of which the truth is known, by a seed.

Exit status: 0 written; 1 a fault, and nothing was written; 2 the command line.
"""

import shlex
from pathlib import Path

from radiotrace.errors import StageError
from radiotrace.pipeline import parallel, stage

PINS = ("requirements/core.txt", "requirements/imaging.txt")
SETS = ("petct",)
SEED_MAX = 2**32 - 1


def generate(args) -> None:
    """Makes an openly synthetic data set by a seed: petct, lesions and survival (docs/petct.md)."""
    stage.check_environment(PINS)
    from radiotrace.synthetic.petct import folder  # here, because the other commands need no image library

    out = Path(args.out)
    _check(args, out, folder.SUBJECTS_MAX)
    request = folder.Request(args.subjects, args.seed, args.grids == "two")
    with parallel.pool(args) as each, stage.output_folder(out) as partial:
        truth = folder.write(partial, request, each)
    print("\n".join(said(out, truth, request.two_grids)))


def _check(args, out: Path, subjects_max: int) -> None:
    """Stops before anything is made.

    Raises:
        StageError: names everything that is wrong with the command line.
    """
    faults = []
    if out.exists() or out.is_symlink():
        faults.append(f"--out: {out} is there already; expected a new folder")
    if not 1 <= args.subjects <= subjects_max:
        faults.append(f"--subjects: found {args.subjects}, expected 1 to {subjects_max}")
    if not 0 <= args.seed <= SEED_MAX:
        faults.append(f"--seed: found {args.seed}, expected 0 to {SEED_MAX}")
    if faults:
        raise StageError("nothing was written", faults, "Correct this, and run it again.")


def said(out: Path, truth: dict, two_grids: bool) -> list[str]:
    """What was written and what is next, for a terminal."""
    concordance, body = truth["concordance"], truth["thresholds"]["without_brain"]
    lines = [
        f"{out}/data: {truth['subjects']} synthetic subjects, {truth['without_lesion']} without lesion, "
        f"{100 * truth['share_censored']:.0f} % censored",
        f"{out}/truth.json: what is true of them, for who judges a model; never part of data/",
    ]
    if concordance["full"]["observed"] is not None:
        lines.append(
            f"  C-index of the true log-hazard {concordance['full']['observed']:.3f}, "
            f"of what images show of it {concordance['visible']['observed']:.3f}"
        )
    if body["best_suv"] is not None:
        lines.append(
            f"  Dice of the best threshold, SUV {body['best_suv']:g}, {body['dice_at_best_suv']:.3f}; "
            f"of 41 % of SUVmax {body['dice_at_41_percent']:.3f}; both without the brain"
        )
    data = shlex.quote(str(out / "data"))
    if two_grids:
        return [
            *lines,
            "Next: CT has a grid of its own, which validate refuses; "
            "resample it onto that of PET (docs/petct.md).",
        ]
    return [
        *lines,
        f"Next: python -m radiotrace new NAME --task segmentation_survival --data {data}",
        "  Of outlines alone, without --task: not everybody has each label, and nodes are several: set "
        "validate.every_label: false and label_components_max: 6 in params.yaml.",
    ]


def options(parser) -> None:
    parser.add_argument("set", choices=SETS, metavar="SET", help=f"which one: {', '.join(SETS)}")
    parser.add_argument(
        "--out", required=True, metavar="FOLDER", help="a new folder: data/ and, beside it, the truth"
    )
    parser.add_argument("--subjects", type=int, default=160, metavar="N", help="how many; default: 160")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="S", help="which one; a seed gives the same bytes; default: 0"
    )
    parser.add_argument(
        "--grids",
        choices=("one", "two"),
        default="one",
        help="one: CT on the grid of PET, 4 mm, as ingest takes it; two: CT on its own, 2 mm",
    )
    parser.add_argument("--workers", help="subjects at a time; as many as the cores allow, else")
    parser.set_defaults(backend=None, scheduler=None)
