"""Whether the next round can start: everything that it will need is looked up before anything of it is made."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

from curation.dataset.dataset import read_dataset
from curation.errors import CurateError, EnvironmentProblem, InputRefused, RemoteUnavailable
from models.evaluation.choose_sets import SetChoice, choose_sets, identify
from models.training.starting_network import network_of
from models.training.train import plan_training
from pipelines.loop.config import ITSELF
from pipelines.loop.frozen_sets import held_against
from pipelines.loop.rounds import Loop, test_sets_of
from pipelines.loop.steps import is_project_there, plan_of_data, settings_of

Check = Callable[[Loop, str], None]


def refuse_unready(loop: Loop, *, champion: str) -> None:
    """Raise CurateError, of the kind of the first problem, where the next round could not be done; it names them all.

    Nothing is changed. What shows only in the work, such as a damaged image, is not looked for.
    """
    refuse(list(problems_of(loop, champion=champion)), loop=loop)


def missing_now(loop: Loop, *, champion: str) -> list[RemoteUnavailable]:
    """Return which servers are away that the next round needs; raise as `refuse_unready` does for anything else."""
    problems = list(problems_of(loop, champion=champion))
    away = [one for one in problems if isinstance(one, RemoteUnavailable)]
    if len(away) < len(problems):
        refuse(problems, loop=loop)
    return away


def refuse(problems: Sequence[CurateError], *, loop: Loop) -> None:
    """Raise CurateError, of the kind of the first of these, which names them all; nothing where there is none."""
    if len(problems) > 1:
        told = "".join(f"\n- {one}" for one in problems)
        raise type(problems[0])(f"{len(problems)} problems prevent a round{told}", where=loop.file)
    if problems:
        raise problems[0]


def problems_of(loop: Loop, *, champion: str) -> Iterator[CurateError]:
    """Yield what stands in the way of the next round, each once."""
    told = set()
    there: list[Check] = [partial(_check_dataset, name) for name in loop.datasets]
    for check in (check_workspace, *there, *CHECKS):
        try:
            check(loop, champion)
        except CurateError as problem:
            if str(problem) not in told:
                told.add(str(problem))
                yield problem
            if check is check_workspace:
                return  # others look into it


def check_workspace(loop: Loop, champion: str = "") -> None:
    """Raise EnvironmentProblem where the workspace cannot be written."""
    place = next(one for one in (loop.workspace, *loop.workspace.absolute().parents) if one.exists())
    try:
        with tempfile.TemporaryFile(dir=place):  # it has no name, and leaves nothing
            pass
    except OSError as error:
        reason = f"the workspace cannot be written: {str(error.strerror).lower()}"
        remedy = f"correct the permissions of {place}, or name another `workspace` in {loop.file}"
        raise EnvironmentProblem(reason, where=loop.workspace, remedy=remedy) from error


def _check_dataset(name: str, loop: Loop, champion: str) -> None:
    read_dataset(loop.place(name))


def _check_data(loop: Loop, champion: str) -> None:
    plan = plan_of_data(loop, hard={})
    if not plan.items:
        told = ", ".join(f"{reason} {number}" for reason, number in plan.filtered.items()) or "the data sets are empty"
        raise InputRefused(
            f"no sample would train: {told}",
            where=", ".join(map(str, loop.train)),
            remedy=f"correct `data` in {loop.file}",
        )


def _check_tests(loop: Loop, champion: str) -> None:
    tests = loop.config.data.test
    choice = SetChoice(splits=tuple(one.split for one in tests), query=None, limit=None)
    choose_sets([loop.place(one.data) for one in tests], choice=choice)
    held_against(loop.workspace, found=test_sets_of(loop))


def _check_training(loop: Loop, champion: str) -> None:
    labelled = [one for one in loop.pool if any(read_dataset(one).table["mask"].is_valid().to_pylist())]
    network_of(plan_training(settings_of(loop, data=[*loop.train, *labelled], champion=champion)).settings)


def _check_models(loop: Loop, champion: str) -> None:
    teachers = [name for name in loop.config.teach.teachers if name != ITSELF]
    mine = loop.config.mine
    for name in (champion, *mine.second, *mine.teachers, *teachers):
        if name:
            identify(loop.model(name))


def _check_server(loop: Loop, champion: str) -> None:
    if (project := loop.config.label.project) is not None:
        is_project_there(project)


CHECKS: Final[tuple[Check, ...]] = (
    _check_data,
    _check_tests,
    _check_training,
    _check_models,
    _check_server,
)
