"""Names of metrics that a criterion may have.

Called before anything is learnt, so that a misspelt one costs no training and no opening of the test part,
and again by the verdict, which knows the record itself.

Which metrics there can be of a task stands in schemas/metric_names.schema.json, which 'make deps' writes
from the schema of its metrics and its table of measures; the names of labels come from the data set. So the
stage split, which calls this, needs no task's code. The list is no dep of split: it can refuse a criterion
and never change a part, and a new measure would split and train anew.
"""

import difflib
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache

from radiotrace import records

ANY = "*"  # a key that the schema leaves open: a label, or a group of subjects
MACRO = "mean_of_labels"
BOUNDED = {"ci95_low", "ci95_high"}  # keys of what has an interval, so that a criterion can be set on it
USUAL = "jackknife-student-hall"  # how intervals are made of what a task declares nothing else of
SHOWN = 6  # names that are offered for one that there is not


@cache
def _open_names(task: str | None) -> tuple[tuple[str, ...], ...]:
    """Keys that lead to each summary that has an interval, of a task or of all."""
    of_tasks = records.schema("metric_names")["properties"]["metric"]["anyOf"]
    known = {name for of in of_tasks if task in (None, of["title"]) for name in of["enum"]}
    return tuple(sorted(tuple(name.split(".")) for name in known))


def names(labels: Mapping[str, str], task: str | None) -> list[str]:
    """Every metric that data of these labels can have, sorted; not those of subgroups, which depend on who is
    in the test part.

    Args:
        labels: value -> name; "0" is the background.
        task: of the study; None for every task.
    """
    structures = [name for value, name in labels.items() if value != "0"]
    metrics = set()
    for keys in _open_names(task):
        if keys.count(ANY) > 1:
            continue
        chosen = list(structures)
        if keys[1:] == (ANY,):  # of a measure, which has a mean over labels, too
            chosen.append(MACRO)
        if "calibration" in keys:
            chosen.append(labels["0"])
        for name in chosen:
            metrics.add(".".join(name if key == ANY else key for key in keys))
    return sorted(metrics)


def unknown(requirements: dict, labels: Mapping[str, str] | None, task: str | None) -> list[str]:
    """A line for each criterion that names a metric which there cannot be; [] when there are none.

    Args:
        requirements: the record 'requirements'.
        labels: value -> name; None where they are not known, so that any label will do.
        task: of the study; None where it is not known, so that the metrics of every task will do.
    """
    lines, open_names = [], _open_names(task)
    known = names(labels, task) if labels else [".".join(keys) for keys in open_names]
    for requirement in requirements["requirements"]:
        if "acceptance" not in requirement:
            continue
        metric = requirement["acceptance"]["metric"]
        if metric not in known and not any(_fits(metric, keys, labels) for keys in open_names):
            lines.append(f"{requirement['id']}: {no_such(metric, known)}")
    return lines


def ways(task: str, metric: str) -> list[str]:
    """How the interval of a metric of a task may be made; where there are two, the second is of an event in
    time."""
    of_tasks = records.schema("metric_names")["properties"]["metric"]["anyOf"]
    made = next((of["intervals"] for of in of_tasks if of["title"] == task), {})
    return next((words for pattern, words in made.items() if fnmatchcase(metric, pattern)), USUAL).split()


def other_methods(requirements: dict, task: str) -> list[str]:
    """A line for each criterion that says another way to make its interval than the task's; [] when there
    are none.

    Args:
        requirements: the record 'requirements'; task: of the study.
    """
    lines = []
    for requirement in requirements["requirements"]:
        if "acceptance" not in requirement:
            continue
        metric, said = requirement["acceptance"]["metric"], requirement["acceptance"]["ci"]["method"]
        if said not in (made := ways(task, metric)):
            expected = " or ".join(made)
            lines.append(f"{requirement['id']}: ci.method of {metric}: found {said}, expected {expected}")
    return lines


def _fits(metric: str, keys: tuple[str, ...], labels: Mapping[str, str] | None) -> bool:
    """Whether a name may be one of those that the schema leaves open: any label where none is known, any
    subgroup."""
    if labels and keys.count(ANY) < 2:
        return False  # names() has these
    # A label or a group may have a point in its name: "subgroups.field.1.5 T".
    pattern = r"\.".join(".+" if key == ANY else re.escape(key) for key in keys)
    return re.fullmatch(pattern, metric) is not None


def find(metrics: dict, metric: str) -> dict | None:
    """What a record 'metrics' has under a name; None where it has nothing, or a number.

    Args:
        metric: keys joined by points, of which the names of labels and groups may have some themselves.
    """
    if isinstance(metrics.get(metric), dict):
        return metrics[metric]
    for key, value in metrics.items():
        if metric.startswith(f"{key}.") and isinstance(value, dict):
            summary = find(value, metric[len(key) + 1 :])
            if summary is not None:
                return summary
    return None


def available(metrics: dict) -> list[str]:
    """The metrics with an interval that a record 'metrics' has, sorted."""
    return sorted(".".join(keys) for keys in _summaries(metrics, ()))


def _summaries(node, keys: tuple[str, ...]):
    if not isinstance(node, dict):
        return
    if node.keys() >= BOUNDED:
        yield keys
        return
    for key, value in node.items():
        yield from _summaries(value, (*keys, key))


def no_such(metric: str, known: list[str]) -> str:
    """What is said of a metric that there is not: which there are, the closest first."""
    if not known:
        return f"there is no metric {metric}, nor any other"

    def distance(name: str) -> tuple:
        """Those of the same measure first, and among them those that are spelt most alike."""
        return (
            name.partition(".")[0] != metric.partition(".")[0],
            -difflib.SequenceMatcher(None, metric, name).ratio(),
            name,
        )

    closest = sorted(known, key=distance)
    more = f" and {len(closest) - SHOWN} more" if len(closest) > SHOWN else ""
    return f"there is no metric {metric}; there are {', '.join(closest[:SHOWN])}{more}"
