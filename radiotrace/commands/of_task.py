"""The task of a study, as commands need it: the checks that it brings, found by its name.

Not a registry: a task is not named here. What a task brings lies in radiotrace/<task>/, and is imported where
a study of it is looked at, so that one task never waits for another.
"""

import importlib
from types import ModuleType

from radiotrace.errors import StageError
from radiotrace.evidence.verify import workflow
from radiotrace.pipeline import dvcfile, tasks
from radiotrace.pipeline.study import Study
from radiotrace.pipeline.tasks import Task


def of_study(study: Study) -> Task | None:
    """What the task of a study declares; None where the folder has no params.yaml that names one: a model and
    records of runs may be looked at in any folder.

    Raises:
        StageError: there is no such task.
    """
    if not (study.folder / dvcfile.PARAMS).is_file():
        return None
    values = dvcfile.parameters(study.folder)
    is_study = isinstance(values, dict) and "task" in values
    return workflow.task_of(study) if is_study else None


def unknown(command: str, task: Task, why: str) -> StageError:
    """What a command says of a study whose task it cannot serve.

    Args:
        why: what it does that this task has not.
    """
    return StageError(f"{command} knows no study of task {task.name} yet: {why}")


def verification(task: Task) -> ModuleType:
    """radiotrace/<task>/verification/checks.py; radiotrace/segmentation/verification/checks.py says what it
    has."""
    return _module(task.code, "verification.checks")


def reading(task: Task) -> ModuleType:
    """radiotrace/<task>/reading.py of a task whose cases are rows; `read_declaration` reads what a folder of
    data declares."""
    return _module(task.code, "reading")


def measures(task: str) -> ModuleType:
    """radiotrace/<task>/measures.py, whose TABLE has the measures of a task."""
    return _module(tasks.declared(task).code, "measures")


def _module(task: str, name: str) -> ModuleType:
    """A module of a task.

    Raises:
        StageError: the task declares its stages, and brings no such module.
    """
    wanted = f"radiotrace.{task}.{name}"
    try:
        return importlib.import_module(wanted)
    except ModuleNotFoundError as error:
        if error.name is None or not wanted.startswith(error.name):
            raise  # of a package that the module needs
        raise StageError(
            f"the task {task} has no {wanted.replace('.', '/')}.py",
            way_out=f"{tasks.place(task)} declares it; docs/architecture.md says what else a task brings.",
        ) from None
