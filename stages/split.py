"""split: gives every subject to train, validation or test, and proves that parts share nothing.

Reads   build/validate/accepted.json
Writes  build/split/: split.json, provenance.json
Params  seed, split.scheme, split.fractions, split.folds, split.fold, split.parts_seed
Stops   when the fractions are not 1 together, when a part would be empty, or when two parts share a subject or an identical image
"""
import argparse
import sys
from pathlib import Path

from radiotrace import params, records, runs, splits, stage


def main(args):
    p = params.load(args.params, "split", seed=True)
    accepted = records.read(args.accepted, "accepted")
    made = splits.record(accepted, p)
    for line in splits.leaks(accepted["cases"], {case_id: row["part"] for case_id, row in made["cases"].items()}):
        stage.log(f"split: warning: {line} (nnU-Net's folds are by case, not by subject)")
    with stage.output_folder(args.out) as out:
        records.write(out / "split.json", made, "split")
        records.write(out / "provenance.json", runs.provenance(__file__, p, args.requirements, [args.accepted]), "provenance")
    stage.log(f"split: wrote {Path(args.out)}/: " + ", ".join(f"{part} {count['cases']} cases" for part, count in made["counts"].items()))


parser = argparse.ArgumentParser(prog="split", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--accepted", required=True, help="record of the accepted cases")
parser.add_argument("--out", required=True, help="folder to write")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
