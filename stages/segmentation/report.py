"""report: pages that say how good the model is and where it fails, one for each test case; and charts.

Reads   data/ (test images and label maps, for pictures), the records of train, evaluate, robustness,
        explain and optimize, their figures,
        build/evaluate/results/predictions/, design/requirements.yaml, design/intended_use.yaml,
        design/reviews.jsonl, design/test_openings.jsonl, design/timings.jsonl,
        stages/segmentation/: report.html, case.html, report.css, case.js
Writes  build/report/: index.html, and cases/ with a page for each test case, which open offline;
        provenance.json
        metrics/: distribution.svg, bland_altman.svg, calibration.svg, uncertainty.svg, risk_coverage.svg,
        subgroups.svg, variants_by_time.svg
Params  report.*
Computes no new number: every figure on the pages is in a record.
"""

import argparse
import base64
import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

import jinja2
import numpy as np
from markupsafe import Markup

from radiotrace import errors, records
from radiotrace.drawing import charts, figures, slices, thumbnails
from radiotrace.errors import StageError
from radiotrace.evidence.bundle import contents
from radiotrace.evidence.design import requirements, reviews
from radiotrace.imaging import channels, parts, volumes
from radiotrace.pipeline import openings, params, runs, stage
from radiotrace.records import ledgers, measure_table, model_run
from radiotrace.records.dataset import Dataset
from radiotrace.records.imported_run import ImportedRun
from radiotrace.records.metrics import Calibration, Metrics, Subgroup
from radiotrace.records.model_run import ModelRun
from radiotrace.records.robustness import Robustness
from radiotrace.records.sections.segmentation.report import PixelsPerMm, ReportParams
from radiotrace.records.timing import RELEASED, Timing
from radiotrace.records.typed import picked
from radiotrace.records.values import UncertaintyKind
from radiotrace.records.variants import Variants
from radiotrace.segmentation import case_pages, in_short, ranking, report
from radiotrace.segmentation.quotes import Quotes
from radiotrace.statistics import agreement, uncertainty

RECORDS = ("dataset", "split", "train", "metrics", "cases", "robustness", "explain")
OF_A_RUN = ("metrics", "cases", "robustness", "explain", "variants")  # those that name their run
DESIGN = ("design", "intended_use", "reviews", "openings", "timings")
FIGURES = ("envelope", "explanations", "training")  # of earlier stages
TEMPLATES = ("template", "case_template", "style", "script")
SETTINGS_OF_EVALUATE = ("object_overlap_min", "calibration_margin_voxels", "poor_dice")
# Pages of the evidence, which the last stage writes after this one: name -> title.
EVIDENCE = {
    "model_card": "Model card",
    "verification": "Verification",
    "traceability": "Traceability",
    "risks": "Risks",
    "compliance": "Standards",
    "sbom": "Bill of materials",
}
CALIBRATION = (
    ("expected calibration error, pooled over all these voxels", 4, attrgetter("expected_error")),
    (
        "expected calibration error of one case, mean over cases",
        4,
        attrgetter("expected_error_of_case"),
    ),
    ("expected calibration error inside the organ alone", 4, attrgetter("expected_error_inside")),
    ("Brier score", 4, attrgetter("brier")),
    ("negative log-likelihood, nats", 4, attrgetter("negative_log_likelihood_nats")),
)


def draw_charts(
    metrics: Metrics, cases: list[dict], flag_by: UncertaintyKind, layout: charts.Layout = charts.WIDE
) -> dict[str, bytes]:
    """The charts, as SVG, by name.

    Args:
        metrics: the record.
        cases: entries of the record 'cases'.
        flag_by: the kind of uncertainty to show.
        layout: the room that each has.
    """
    calibration, summary = metrics.calibration, metrics.uncertainty[flag_by]
    defined = [case for case in cases if ranking.macro(case, "dice") is not None]
    dice = np.array([ranking.macro(case, "dice") for case in defined])
    scores = np.array([case["uncertainty"][flag_by]["score"] for case in defined])
    risks, flagging = 1 - dice, summary.flagging
    flagged = None if flagging is None else flagging.flagged_share.value
    dice_of, volumes_of = {}, {}
    for name in cases[0]["labels"]:
        measured = {case["case_id"]: case["labels"][name] for case in cases}
        dice_of[name] = {case_id: row["dice"] for case_id, row in measured.items()}
        volumes_of[name] = {
            case_id: (row["reference_mm3"], row["prediction_mm3"]) for case_id, row in measured.items()
        }
    return {
        "distribution": charts.distribution(dice_of, "Dice", lower_is_worse=True, layout=layout),
        "bland_altman": charts.bland_altman(volumes_of, layout),
        "calibration": charts.reliability(
            reliability(calibration.before),
            reliability(calibration.after),
            metrics.decisions.temperature,
            layout,
        ),
        "uncertainty": charts.uncertainty_scatter(
            scores,
            dice,
            summary.flag_above,
            summary.poor_below_dice,
            [case["case_id"] for case in defined],
            layout,
        ),
        "risk_coverage": charts.risk_coverage(
            np.array(summary.risk_coverage),
            uncertainty.risk_coverage(risks, risks),
            summary.aurc_random.value,
            None if flagged is None else 1 - flagged,
            layout,
        ),
        "subgroups": charts.forest(
            groups(metrics.subgroups),
            "Dice, mean of labels",
            picked(charts.Spread, metrics.of_measure["dice"][report.MACRO]),
            layout,
        ),
    }


def draw_variants(variants: Variants, layout: charts.Layout = charts.WIDE) -> bytes:
    """The chart of smaller variants, as SVG, smallest files first."""
    rows = []
    for row in report.variants(variants, {}):
        variant = variants.variants[row["key"]]
        of_all = variant.dice[report.MACRO]
        rows.append(
            charts.Sized(
                row["name"],
                variant.bytes,
                of_all.difference,
                of_all.difference_ci95_low,
                of_all.difference_ci95_high,
                variant.released,
            )
        )
    return charts.variants(rows, variants.params.margin_dice, layout)


def draw_times(variants: Variants, timed: Mapping[str, Timing], layout: charts.Layout = charts.WIDE) -> bytes:
    """The chart of accuracy against time, as SVG, of the forms that were timed.

    Args:
        timed: as report.times gives it.
    """
    rows = []
    for name, variant in variants.variants.items():
        if name in timed:
            row, named = variant.dice[report.MACRO], report.VARIANTS[name]
            rows.append(
                charts.Timed(
                    named,
                    timed[name].median_ms,
                    row.difference,
                    row.difference_ci95_low,
                    row.difference_ci95_high,
                    variant.released,
                )
            )
    if RELEASED in timed:
        released = "the released file, in ONNX Runtime"
        rows.append(charts.Timed(released, timed[RELEASED].median_ms, 0, None, None, True, is_reference=True))
    return charts.variants_by_time(rows, variants.params.margin_dice, layout)


def read_times(path, variants: Variants) -> dict[str, Timing]:
    """What was timed of these forms.

    Args:
        path: the ledger.
    """
    return report.times(variants, [Timing.of(line) for line in ledgers.read(path, "timing")])


def reliability(calibration: Calibration | None) -> list[charts.Bar]:
    """Bins of a reliability curve; none where nothing was calibrated."""
    rows = calibration.reliability if calibration else ()
    return [charts.Bar(row.n_voxels, row.mean_probability, row.share_right) for row in rows]


def groups(subgroups: Mapping[str, Mapping[str, Subgroup]]) -> list[charts.Group]:
    """A row of the forest plot for each group of each attribute, by names for people."""
    rows = []
    for attribute, row_by_group in subgroups.items():
        for group, row in row_by_group.items():
            also = tuple(report.readable(name) for name in row.also)
            rows.append(
                picked(charts.Group, row, attribute=report.readable(attribute), group=group, also=also)
            )
    return rows


def aims_of(metrics: Metrics) -> list[dict]:
    """Of each kind of uncertainty: what it is worth, how far its predictions disagree, and whether its
    threshold keeps its aim."""
    return [
        {
            "kind": report.KINDS[kind],
            "worth": report.worth(row),
            "aim": report.aim(metrics.decisions, kind, row),
            "shares": report.shares(row),
            "disagreement": report.disagreement(row),
            "hardly": report.hardly(row),
        }
        for kind, row in metrics.uncertainty.items()
    ]


@dataclass(frozen=True)
class Pictures:
    """The pictures of one case.

    Attributes:
        small, large: in three planes, as PNG: for a row of a table, and for a closer look.
        stack: every slice.
    """

    small: bytes
    large: bytes
    stack: slices.Stack


def draw_case(
    case: dict, entry: dict, labels: Mapping[str, str], folders: tuple[Path, Path], sizes: PixelsPerMm
) -> Pictures:
    """Pictures of one case, of its first channel.

    Args:
        case: of parts.cases.
        entry: of the record 'cases'.
        labels: value -> name.
        folders: of raw data, and of predictions.
        sizes: of the pictures in three planes.
    """
    raw, predictions = folders
    prediction = volumes.read_canonical(predictions / entry["prediction"], entry["prediction_sha256"])
    first_channel = parts.image(case, raw).volume()
    turned = [
        volumes.canonical(volume, "LPS", None, is_label_map=True)
        for volume in (first_channel, parts.label_map(case, raw), prediction)
    ]
    image, reference, predicted = map(volumes.array_zyx, turned)
    values = {name: int(value) for value, name in labels.items() if value != "0"}
    # in the order of the record, for the page names them so
    outlines = [(reference == values[name], predicted == values[name]) for name in entry["labels"]]
    spacing = volumes.to_zyx(turned[0].GetSpacing())
    return Pictures(
        thumbnails.planes(image, outlines, spacing, sizes.small),
        thumbnails.planes(image, outlines, spacing, sizes.large),
        slices.stack(image, outlines, spacing),
    )


def uri(content: bytes, kind: str) -> str:
    """A picture as part of a page."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def filled(template: str, **values) -> bytes:
    """A page. Text is escaped; a name that the template asks for and nobody gives is an error."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    environment.filters |= {
        "number": report.number,
        "interval": report.interval,
        "percent": report.percent,
        "readable": report.readable,
        "png": lambda content: uri(content, "png"),
        "svg": lambda content: uri(content, "svg+xml"),
    }
    return environment.from_string(template).render(evidence=EVIDENCE, **values).encode()


def of_case(templates: Mapping[str, str], case: case_pages.CasePage, stack: slices.Stack, **values) -> bytes:
    """The page of one case.

    Args:
        templates: texts of case_template, style and script.
    """
    return filled(
        templates["case_template"],
        case=case,
        stack=stack,
        style=Markup(templates["style"]),  # noqa: S704 - a file of this repository
        script=Markup(templates["script"]),  # noqa: S704
        **values,
    )


def unreviewed(design: dict, reviewed: Sequence[dict]) -> list[str]:
    """Criteria that nobody reviewed as they stand."""
    judged = [entry for entry in design["requirements"] if "acceptance" in entry]
    return [
        entry["id"] for entry in judged if reviews.status(entry["id"], entry, list(reviewed)) != "reviewed"
    ]


def load_intended_use(path) -> dict:
    """The intended use, as people wrote it.

    Raises:
        StageError: the file breaks its schema; names every fault.
    """
    record = params.load_yaml(path)
    if broken := records.faults(record, "intended_use"):
        raise StageError(f"{path} breaks schemas/intended_use.schema.json", broken, f"Correct {path}.")
    return record


@dataclass(frozen=True)
class Sources:
    """What the pages quote: records of one run.

    Attributes:
        by_name: each of RECORDS, and variants, as it was read.
        cases: entries of the record 'cases'.
    """

    by_name: Mapping[str, dict]
    dataset: Dataset
    train: ModelRun
    metrics: Metrics
    robustness: Robustness
    variants: Variants
    cases: list[dict]


def read_sources(args, flag_by: UncertaintyKind) -> Sources:
    """The records that the pages quote.

    Args:
        flag_by: the kind of uncertainty that the pages show.

    Raises:
        StageError: they are not of one run, or do not fit each other; or nothing of that kind was measured.
    """
    train = model_run.read(args.train)
    by_name = {"train": train.record()}
    by_name |= {name: records.read(getattr(args, name), name) for name in RECORDS if name != "train"}
    by_name["variants"] = records.read(args.variants, "released_variants")
    metrics = Metrics.of(by_name["metrics"])
    cases = by_name["cases"]["cases"]
    if wrong := [
        f"{name}: found {by_name[name]['run_id'][:12]}, expected {train.run_id[:12]}"
        for name in OF_A_RUN
        if by_name[name]["run_id"] != train.run_id
    ]:
        raise StageError("records are not of one run", wrong, "Run 'dvc repro'.")
    if flag_by not in metrics.uncertainty:
        raise StageError(
            f"report.uncertainty: found {flag_by}, expected one of {', '.join(metrics.uncertainty)}",
            [],
            "Correct params.yaml, or give that kind some passes in its section evaluate.",
        )
    if wrong := measure_table.misfits_of_cases(by_name["metrics"], cases):
        raise StageError("cases.json does not have the measures of metrics.json", wrong, "Run 'dvc repro'.")
    return Sources(
        by_name,
        Dataset.of(by_name["dataset"]),
        train,
        metrics,
        Robustness.of(by_name["robustness"]),
        Variants.of(by_name["variants"]),
        cases,
    )


def draw_cases(args, sources: Sources, sizes: PixelsPerMm) -> dict[str, Pictures]:
    """Pictures of each test case, by its id."""
    test = parts.cases(sources.dataset, sources.by_name["split"], "test")
    folders = Path(args.data), Path(args.predictions)
    return {
        entry["case_id"]: draw_case(test[entry["case_id"]], entry, sources.train.labels, folders, sizes)
        for entry in sources.cases
    }


def judged(args, sources: Sources, flag_by: UncertaintyKind) -> dict:
    """What the page says of requirements, intended use and openings, by names of the template."""
    run_id, metrics = sources.train.run_id, sources.metrics
    opened, reviewed = openings.read(args.openings), reviews.read(args.reviews)
    design, intended_use = requirements.load(args.design), load_intended_use(args.intended_use)
    acceptance = requirements.acceptance(
        design, sources.by_name["metrics"], reviewed, opened, contents.test_part(run_id, opened)
    )
    is_draft = intended_use["status"] == "draft"
    n_models = contents.openings(run_id, opened)["n_models"]
    return {
        "acceptance": acceptance,
        "is_draft": is_draft,
        "state": in_short.state(acceptance, unreviewed(design, reviewed), is_draft),
        "short": in_short.sentences(metrics, sources.dataset.dataset, intended_use, flag_by),
        "findings": report.findings(metrics, acceptance, sources.robustness, n_models),
    }


def tables(sources: Sources, flag_by: UncertaintyKind, shown: Mapping[str, Pictures]) -> dict:
    """The tables of the page, by names of the template; of the ten worst cases with the large picture."""
    metrics = sources.metrics
    columns = report.columns(metrics)
    small = {case_id: pictures.small for case_id, pictures in shown.items()}
    rows = report.cases(sources.cases, columns, flag_by, small)
    dice = {entry["case_id"]: ranking.dice_text(entry["labels"]) for entry in sources.cases}
    return {
        "measures": report.measures(metrics),
        "aims": aims_of(metrics),
        "columns": columns,
        "cases": rows,
        "worst": [
            row | {"picture": shown[row["case_id"]].large, "text": dice[row["case_id"]]} for row in rows[:10]
        ],
        "labels": list(sources.cases[0]["labels"]),
        "calibration_rows": CALIBRATION,
    }


def main(args):
    settings = ReportParams.of(params.load(args.params, "report"))
    flag_by = settings.uncertainty
    sources = read_sources(args, flag_by)
    metrics, dataset, run_id = sources.metrics, sources.dataset.dataset, sources.train.run_id
    templates = {name: Path(getattr(args, name)).read_text("utf-8") for name in TEMPLATES}
    shown = draw_cases(args, sources, settings.pixels_per_mm)
    words_of = case_pages.pages(sources.cases, metrics, channels.of_dataset(dataset), flag_by)
    files = case_pages.file_names(list(words_of))
    page_by_file = {
        files[case_id]: of_case(templates, words, shown[case_id].stack, run_id=run_id, dataset=dataset)
        for case_id, words in words_of.items()
    }
    timed = read_times(args.timings, sources.variants)
    charts_by_name = draw_charts(metrics, sources.cases, flag_by) | {
        "variants_by_time": draw_times(sources.variants, timed)
    }
    given = {name: Path(getattr(args, name)).read_bytes() for name in FIGURES}
    quotes = Quotes(
        {
            name: (Path(getattr(args, name)).as_posix(), sources.by_name[name])
            for name in ("metrics", "robustness", "variants")
        }
    )
    evaluated = records.read(args.evaluate_provenance, "provenance")["params"]
    content = filled(
        templates["template"],
        style=Markup(templates["style"]),  # noqa: S704 - a file of this repository
        run_id=run_id,
        dataset=dataset,
        metrics=metrics,
        robustness=sources.robustness,
        imported=sources.train if isinstance(sources.train, ImportedRun) else None,
        variants=sources.variants,
        variant_rows=report.variants(sources.variants, timed),
        best_variant=report.best(sources.variants, timed),
        worth_of_teacher=report.teacher(sources.variants),
        timed=timed,
        **judged(args, sources, flag_by),
        **tables(sources, flag_by, shown),
        kept=agreement.kept,
        files=files,
        page_hashes={name: hashlib.sha256(text).hexdigest() for name, text in sorted(page_by_file.items())},
        kinds=report.KINDS,
        flag_by=flag_by,
        pictures=charts_by_name | given | {"variants": draw_variants(sources.variants)},
        narrow=draw_charts(metrics, sources.cases, flag_by, charts.NARROW)
        | {
            "variants": draw_variants(sources.variants, charts.NARROW),
            "variants_by_time": draw_times(sources.variants, timed, charts.NARROW),
        },
        colours=(figures.REFERENCE, figures.PREDICTION),
        at=quotes.link,
        quotes=quotes.all,
        **{name: evaluated[name] for name in SETTINGS_OF_EVALUATE},
        hashes={Path(getattr(args, name)).name: records.sha256(getattr(args, name)) for name in OF_A_RUN},
    )
    read = [
        getattr(args, name)
        for name in (*DESIGN, "evaluate_provenance", *FIGURES, *TEMPLATES, *RECORDS, "variants")
    ]
    provenance = runs.provenance(__file__, settings.record(), args.requirements, read)
    for name, chart in charts_by_name.items():
        records.write_bytes(Path(args.metrics_folder) / f"{name}.svg", chart)
    with stage.output_folder(args.out) as out:
        for name, text in page_by_file.items():
            records.write_bytes(out / "cases" / name, text)
        records.write_bytes(out / "index.html", content)
        records.write(out / "provenance.json", provenance, "provenance")
    megabytes = (len(content) + sum(map(len, page_by_file.values()))) / 1e6
    errors.log(
        f"report: wrote {args.out}/index.html and {len(page_by_file)} pages of cases, {megabytes:.1f} MB"
    )


parser = argparse.ArgumentParser(
    prog="report", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
for option, meaning in {
    "data": "folder of raw data",
    "dataset": "record of the data set",
    "split": "record of the split",
    "train": "record of the training run",
    "metrics": "record of metrics",
    "cases": "record of test cases",
    "robustness": "record of robustness",
    "explain": "record of explanations",
    "variants": "record of smaller variants of the released network",
    "predictions": "folder of predicted label maps",
    "evaluate-provenance": "what decided the outputs of evaluate",
    "envelope": "figure",
    "explanations": "figure",
    "training": "figure",
    "design": "requirements.yaml",
    "reviews": "what of the design was reviewed",
    "openings": "ledger of what the test part was shown to",
    "timings": "ledger of how long forms of the network take",
    "intended-use": "intended_use.yaml",
    "template": "the page",
    "case-template": "the page of a case",
    "style": "sheet of both",
    "script": "viewer of a case",
    "out": "folder of the pages and of the record of what decided them",
    "metrics-folder": "folder of the small files that git keeps",
}.items():
    parser.add_argument(f"--{option}", required=True, help=meaning)

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
