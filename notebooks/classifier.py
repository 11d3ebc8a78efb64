# %% [markdown]
# # Statistics of a classifier, where the truth is known
#
# Pictures are noise; half of them hide a disc. The best classifier there is compares each with the disc,
# and theory says how good it is. So every statistic of `radiotrace.statistics` can be held against the
# truth. The task `classification` reports the same ones (`docs/classification.md`).

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

import numpy as np
from matplotlib import pyplot
from scipy import stats

from radiotrace.statistics import (
    decision_curves,
    discrimination,
    operating_points,
    probabilities,
    resampling,
)

# %% [markdown]
# ## Pictures

# %%
EDGE, CONTRAST, SD = 24, 0.22, 1.0
rows, columns = np.mgrid[:EDGE, :EDGE] - (EDGE - 1) / 2
disc = (np.hypot(rows, columns) < 5).astype(float)


def pictures(n, seed):
    """n pictures of as many subjects, and whether each has the disc."""
    rng = np.random.default_rng(seed)
    has_disc = rng.random(n) < 0.4
    return rng.normal(0, SD, (n, EDGE, EDGE)) + CONTRAST * has_disc[:, None, None] * disc, has_disc


parts = {name: pictures(n, seed) for seed, (name, n) in enumerate({"validation": 300, "test": 500}.items())}
figure, axes = pyplot.subplots(1, 4, figsize=(8, 2.2))
for axis, picture, has_disc in zip(axes, *parts["test"], strict=False):
    axis.imshow(picture, cmap="gray")
    axis.set(title="disc" if has_disc else "none", xticks=[], yticks=[])

# %% [markdown]
# ## Scores, and probabilities that are fitted on the validation part

# %%
scores = {name: (array * disc).sum((1, 2)) for name, (array, _) in parts.items()}
platt = probabilities.fit_platt(scores["validation"], parts["validation"][1])
p = {name: platt(score) for name, score in scores.items()}

# %% [markdown]
# ## Discrimination, against theory
# Of a known signal in white noise the area under the ROC curve is Φ(d / √2), where d is the signal's length
# by the SD.

# %%
test, has_disc = p["test"], parts["test"][1]
subjects = np.arange(len(test))
area = discrimination.delong(test, has_disc)
truth = stats.norm.cdf(CONTRAST * np.linalg.norm(disc) / SD / np.sqrt(2))
low, high = area.interval.bounds
assert low < truth < high
{"AUROC": round(area.value, 3), "95 % interval": (round(low, 3), round(high, 3)), "truth": round(truth, 3)}

# %% [markdown]
# ## An operating point, chosen on validation and judged on the test part

# %%
rule = operating_points.Rule("youden")
chosen = operating_points.choose(p["validation"], parts["validation"][1], rule)
point = operating_points.at(test, has_disc, chosen.threshold, subjects)
for name in ("sensitivity", "specificity", "ppv", "npv"):
    measured = point.measures[name]
    low, high = measured.interval.bounds
    print(f"{name:12} {measured.value:.3f}  {low:.3f} to {high:.3f}")

# %% [markdown]
# ## Are the probabilities right?

# %%
recalibrated = probabilities.recalibration(probabilities.logits(test), has_disc)
print("Brier", round(float(probabilities.brier(test, has_disc)), 4))
print("expected calibration error", round(probabilities.expected_error(test, has_disc), 4))
print("intercept and slope", recalibrated)

# %% [markdown]
# ## Is it worth acting on?
# Net benefit against acting on everybody and on nobody. The prevalence is that of these pictures.

# %%
thresholds = np.linspace(0.05, 0.9, 18)
plan = resampling.Plan(subjects, seed=0, resamples=500)
curve = decision_curves.curve(test, has_disc, thresholds, plan)
figure, axis = pyplot.subplots(figsize=(6, 3))
axis.plot(thresholds, decision_curves.net_benefit(test, has_disc, thresholds), label="by the classifier")
axis.plot(thresholds, decision_curves.treat_all(has_disc, thresholds), ls="--", label="on everybody")
axis.axhline(0, color="black", lw=1, label="on nobody")
axis.set(xlabel="threshold", ylabel="net benefit", ylim=(-0.1, 0.45))
axis.legend()
curve[5]
