# %% [markdown]
# # Reading the evidence
#
# What the bundle in `evidence/` says, how its files hang together, and where a number comes from.
# `docs/verify.md` says what can be verified, and by whom.

# %%
import os
import subprocess
import sys
from pathlib import Path

# On Colab, or wherever this file lies alone: say where the repository is. In a clone leave it empty.
REPOSITORY = ""
if REPOSITORY:
    subprocess.run(["git", "clone", "--depth", "1", REPOSITORY, "radiotrace"], check=True)
    os.chdir("radiotrace")
    pins = ["-r", "requirements.txt", "-r", "requirements/notebooks.txt"]
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *pins], check=True)
os.chdir(next(folder for folder in (Path.cwd(), *Path.cwd().parents) if (folder / "dvc.yaml").is_file()))

import json

from radiotrace import records
from radiotrace.__main__ import main
from radiotrace.evidence.verify import levels


def read(name):
    return json.loads(Path("evidence", f"{name}.json").read_text())


# %% [markdown]
# ## The verdicts
# A bound of the interval decides, never the mean.

# %%
status = main(["results"])

# %% [markdown]
# ## Is it whole?
# Level 1: every file is listed and has its hash, fits its schema, and leads where it says.

# %%
for check in levels.whole("evidence"):
    print(
        "does not hold" if check.faults else "holds" if check.looked else "not looked at",
        check.what,
        sep=": ",
    )
    for fault in check.faults:
        print("   ", fault)

# %% [markdown]
# ## From a verdict to the file
# The manifest has the SHA-256 of every file that the bundle vouches for. The file in `metrics/` is the one
# that it means, and the bound of a verdict stands in the record that was made of it.

# %%
verdict = read("acceptance")["results"][0]
measure, label = verdict["metric"].split(".")
row = read("metrics")[measure][label]
assert verdict["observed"] == row["ci95_low"]
listed = {file["path"]: file["sha256"] for file in read("manifest")["files"]}
assert listed["metrics/metrics.json"] == records.sha256("metrics/metrics.json")
print(verdict["requirement"], verdict["reason"])
print(len(listed), "files, among them the released model", listed["build/export/model.onnx"])

# %% [markdown]
# ## What hangs together
# `python -m radiotrace trace ITEM` takes an id, a file, a case, a subject, or the hash of a model in your
# hand.

# %%
status = main(["trace", verdict["requirement"]])

# %% [markdown]
# ## What blocks the release
# Evidence that blocks is evidence, too.

# %%
blocked = read("traceability")["release_blocked"]
missed = [row["requirement"] for row in read("acceptance")["results"] if row["verdict"] != "met"]
blocked, missed
