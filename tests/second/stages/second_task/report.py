"""report: one page that says how good the model is.

Reads   metrics/metrics.json
Writes  build/report/index.html, build/report/provenance.json
Params  report.*
"""

import argparse
import html
import sys

from radiotrace import errors, records
from radiotrace.pipeline import params, runs, stage
from radiotrace.records import measure_table


def page(metrics: dict, digits: int) -> str:
    """A row for each measure and class."""
    rows = []
    for name, measure in measure_table.read(metrics).items():
        for label, summary in metrics[name].items():
            mean = "undefined" if summary["mean"] is None else f"{summary['mean']:.{digits}f}"
            cells = (measure.title, label, mean, str(summary["n_cases"]))
            rows.append("".join(f"<td>{html.escape(cell)}</td>" for cell in cells))
    body = "\n".join(f"<tr>{row}</tr>" for row in rows)
    return f"<!doctype html>\n<title>Run {metrics['run_id'][:12]}</title>\n<table>\n{body}\n</table>\n"


def main(args):
    p = params.load(args.params, "report")
    metrics = records.read(args.metrics, "metrics_second_task")
    records.write_bytes(args.out, page(metrics, p["digits"]).encode())
    records.write(
        args.provenance, runs.provenance(__file__, p, args.requirements, [args.metrics]), "provenance"
    )
    errors.log(f"report: wrote {args.out}")


parser = argparse.ArgumentParser(
    prog="report", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--metrics", required=True, help="record of metrics")
parser.add_argument("--provenance", required=True, help="record to write")
parser.add_argument("--out", required=True, help="page to write")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
