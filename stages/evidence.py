"""evidence: gathers the records of a run, finds that they agree, judges the requirements, and hashes it all.

Reads   the records of every stage, the model, members/, design/requirements.yaml, design/test_openings.jsonl
Writes  evidence/, metrics/gates.json
Stops   when records contradict each other or a file beside them; not when a requirement is missed: that is evidence too
"""
import argparse
import sys
from pathlib import Path

from radiotrace import params, records, runs, stage
from radiotrace.evaluation import openings
from radiotrace.evidence import bundle, requirements
from radiotrace.learning import members
from radiotrace.stage import StageError

STAGES = ("ingest", "validate", "split", "train", "evaluate", "robustness", "explain", "report", "export")
# Records that go into the bundle as they are; each is named for its schema, and so is its option.
RECORDS = ("dataset", "findings", "accepted", "split", "cases", "metrics", "headline", "robustness", "explain", "model")


def main(args):
    params.read(args.params)  # evidence has no parameter of its own; a broken file stops it too
    sources = {name: records.read(getattr(args, name), name) for name in RECORDS}
    sources["train"] = records.read(args.train, "train")
    run_id = sources["train"]["run_id"]
    sources["openings"] = bundle.openings(run_id, openings.read(args.openings))
    runs_beside = members.read(args.members, sources["train"], sources["split"])  # none of them saw the test part
    provenance = [records.read(getattr(args, f"{name}_provenance"), "provenance") for name in STAGES]
    required = requirements.load(args.design)
    vouched = {Path(path).as_posix(): Path(path) for path in (
        args.weights, args.onnx, args.train, args.manifest, args.requirements, args.openings, args.design,
        *(getattr(args, name) for name in RECORDS), *(getattr(args, f"{name}_provenance") for name in STAGES), *args.further,
        *(f"{args.members}/{name}/{file}" for name in runs_beside for file in (members.RECORD, members.WEIGHTS)))}
    files = {path: records.sha256(file) for path, file in vouched.items()}
    if broken := bundle.contradictions(sources, provenance, files):
        raise StageError("records of this run contradict each other", broken, "Something was changed by hand. Run 'dvc checkout', then 'dvc repro'.")

    train = sources["train"]
    provenance.append(runs.provenance(__file__, {}, args.requirements, list(vouched.values())))
    acceptance = requirements.acceptance(required, sources["metrics"])
    made = {name: (sources[name], name) for name in RECORDS} | {
        "requirements": (required, "requirements"), "acceptance": (acceptance, "acceptance"), "openings": (sources["openings"], "openings"),
        "run": (bundle.run_record(train, sources["dataset"], provenance), "run"),
        "hyperparameters": (bundle.hyperparameters(run_id, provenance), "hyperparameters"),
        "epochs": ({"run_id": run_id, "epochs": train["history"]}, "epochs"),
        "checkpoints": (bundle.checkpoints(train), "checkpoints")}
    with stage.output_folder(args.out) as out:
        for name, (record, schema) in made.items():
            records.write(out / f"{name}.json", record, schema)
        schema_of = {f"{name}.json": schema for name, (_, schema) in made.items()}
        records.write(out / "manifest.json", bundle.manifest(run_id, out, Path(args.out).name, schema_of, vouched), "manifest")
        records.write_bytes(out / "SHA256SUMS", bundle.checksums(out).encode())
        records.write(args.gates, requirements.gates(acceptance), "gates")
    missed = [result for result in acceptance["results"] if result["verdict"] != "met"]
    for result in missed:
        stage.log(f"evidence: {result['requirement']} {result['verdict']}: {result['reason']}")
    stage.log(f"evidence: {sources['openings']['n_models']} models were shown this test part so far")
    stage.log(f"evidence: wrote {args.out}/, {len(acceptance['results']) - len(missed)} of {len(acceptance['results'])} requirements met")


parser = argparse.ArgumentParser(prog="evidence", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
for option, what in {"manifest": "SHA-256 of every raw file", "dataset": "record of the data set", "findings": "record of findings",
                     "accepted": "record of accepted cases", "split": "record of the split", "train": "record of the training run",
                     "weights": "trained weights", "metrics": "record of metrics", "headline": "record of the headline",
                     "robustness": "record of robustness", "explain": "record of explanations", "cases": "record of test cases",
                     "model": "record of the model", "members": "folder of other runs, which form an ensemble with this one", "onnx": "the model",
                     "design": "requirements.yaml", "openings": "ledger of what the test part was shown to",
                     "gates": "record of verdicts to write"}.items():
    parser.add_argument(f"--{option}", required=True, help=what)
for name in STAGES:
    parser.add_argument(f"--{name}-provenance", required=True, help=f"what decided the outputs of {name}")
parser.add_argument("--further", nargs="+", required=True, help="what else the bundle vouches for: report, pictures")
parser.add_argument("--out", required=True, help="folder to write")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
