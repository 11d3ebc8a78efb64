# %% [markdown]
# # Segmentation: one case, from the image to its measures
#
# Predicts a test case with the released model, looks at it, and holds its Dice against what the evaluation
# wrote.
#
# **Research software; not for diagnosis.**

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

import SimpleITK as sitk
from IPython.display import Image

from radiotrace.__main__ import main
from radiotrace.segmentation import overlap

if not Path("build/export/model.onnx").is_file() or not Path("data/imagesTr").is_dir():
    subprocess.run([sys.executable, "-m", "dvc", "pull", "--quiet", "build/export", "data.dvc"], check=True)

# %% [markdown]
# ## A case of the test part
# `metrics/cases.json` has every case of the test part, with all its measures. Here is the one in the middle
# of their order by Dice.

# %%
cases = json.loads(Path("metrics/cases.json").read_text())["cases"]
mean_dice = {
    case["case_id"]: sum(row["dice"] for row in case["labels"].values()) / len(case["labels"])
    for case in cases
}
case_id = sorted(mean_dice, key=lambda name: (mean_dice[name], name))[len(mean_dice) // 2]
case_id, round(mean_dice[case_id], 4)

# %% [markdown]
# ## Predict it
# The command line does what a user does: `python -m radiotrace predict build/export IMAGE --out
# predictions`.

# %%
out = Path("predictions/notebook")
image = f"data/imagesTr/{case_id}.nii.gz"
status = main(["predict", "build/export", image, "--out", str(out), "--modality", "MRI"])
assert status == 0
Image(out / case_id / "overview.png")

# %% [markdown]
# ## How good is it?
# The released file runs in ONNX Runtime, the evaluation ran in torch: a voxel in a thousand may differ.

# %%
labels = {"anterior": 1, "posterior": 2}
reference, prediction = (
    sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    for path in (f"data/labelsTr/{case_id}.nii.gz", out / case_id / "label_map.nii.gz")
)
stated = next(case["labels"] for case in cases if case["case_id"] == case_id)
dice = {
    name: overlap.confusion(reference == value, prediction == value).dice for name, value in labels.items()
}
for name in labels:
    assert abs(dice[name] - stated[name]["dice"]) < 0.005, (name, dice[name], stated[name]["dice"])
{name: (round(dice[name], 4), round(stated[name]["dice"], 4)) for name in labels}

# %% [markdown]
# ## How sure is it?
# `result.json` says what else is known of this prediction: volumes, the Dice loss that the network expects,
# and whether an expert shall look at it.

# %%
result = json.loads((out / case_id / "result.json").read_text())
{"volumes": {label["name"]: label["volume_mm3"] for label in result["labels"]}, "review": result["review"]}
