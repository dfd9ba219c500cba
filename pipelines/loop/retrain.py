"""`curate retrain`: one whole round of the loop, from corrected labels to a report."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from curation.errors import CurateError, Interrupted
from pipelines.command_line.options import Result, RunOptions, setting

if TYPE_CHECKING:
    from pipelines.loop.rounds import Loop, Standing
    from reports.rounds.round_record import Untaken

NOTHING_TO_DO: Final = "nothing_to_do"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainFlags:
    """Which loop, and whether its next round is only described, not carried out."""

    config: Path = setting("The YAML file of the loop; `curate init` writes one.", metavar="FILE")
    explain: bool = setting("Print what would run and why, and do nothing.", default=False)


def retrain(settings: RetrainFlags, *, run: RunOptions) -> Result:
    """Do one round: pull labels, train a challenger, let it replace the champion if it is better, mine, push, report.

    Where nothing changed since the last round there is nothing to do. A round that was stopped, for any reason,
    continues where it was; --overwrite begins it again. Two rounds never run at once in a workspace. What a round will
    need, from data sets to servers, is checked before it begins, and by --explain.

    The challenger becomes the champion only if the paired comparison on frozen test sets shows a gain, as the section
    `gate` of the configuration asks for, and no slice loses too much.

    \b
    Examples:
      curate init --out loop.yaml
      curate retrain --config loop.yaml --explain
      curate retrain --config loop.yaml
    """
    from models.registry.registry import WORKSPACE
    from pipelines.loop.config import read_loop_config
    from pipelines.loop.rounds import Loop

    loop = Loop(config=read_loop_config(settings.config), file=settings.config)
    run = replace(run, seed=loop.config.seed)
    os.environ[WORKSPACE] = str(loop.workspace)  # where models:/NAME@champion is looked up
    if settings.explain or run.dry_run:
        return _explained(loop)
    from curation.storage.claimed_folder import lock_file
    from curation.storage.lock import exclusive
    from pipelines.loop.readiness import check_workspace

    check_workspace(loop)
    with exclusive(lock_file(loop.workspace)):
        return _told_to_others(loop, run=run)


def _told_to_others(loop: Loop, *, run: RunOptions) -> Result:
    """Do a round, and tell whoever the configuration names."""
    from pipelines.command_line.progress import tell
    from pipelines.loop.webhooks import forget_failure, notify, notify_failure

    section = loop.config.notify
    told: dict[str, Any] = {"model": loop.config.model, "workspace": str(loop.workspace)}
    try:
        result = _round(loop, run=run)
    except Interrupted:
        raise
    except CurateError as error:
        told |= {"outcome": "failed", "sentence": str(error)} | _unfinished(loop)
        for warning in notify_failure(section, told=told, workspace=loop.workspace):
            tell(f"warning: {warning}", run=run)
        raise
    forget_failure(loop.workspace)
    if result.data["outcome"] == NOTHING_TO_DO:
        return result
    event: Literal["success", "refusal"] = "refusal" if result.data["outcome"] == "kept" else "success"
    warnings = notify(section, event=event, told=told | result.data)
    return replace(result, warnings=(*result.warnings, *warnings))


def _unfinished(loop: Loop) -> dict[str, Any]:
    """Return number and page of the round that is not over; nothing where a fault came before it began."""
    from pipelines.loop.rounds import folder_of, standing
    from reports.rounds.index_page import REPORT

    try:
        plan = standing(loop).unfinished
    except CurateError:  # the first fault is the one to report
        return {}
    if plan is None:
        return {}
    page = folder_of(loop, number=plan.number) / REPORT
    return {"round": plan.number, "report": str(page) if page.exists() else None}


def _round(loop: Loop, *, run: RunOptions) -> Result:
    from datetime import UTC, datetime

    from pipelines.loop.carry_out import carry_out
    from pipelines.loop.control import control_of
    from pipelines.loop.frozen_sets import take_over
    from pipelines.loop.readiness import refuse_unready
    from pipelines.loop.rounds import RoundPlan, begin, champion_of, inputs_of, is_outdated, standing, test_sets_of
    from pipelines.loop.steps import Work, pull_labels

    found = standing(loop)
    inner = replace(run, overwrite=False, json=False, limit=None)
    plan = found.unfinished
    if plan is None or run.overwrite or is_outdated(plan, loop=loop):
        take_over(loop.workspace, found=test_sets_of(loop))
        untaken = pull_labels(loop, run=inner)
        champion = champion_of(loop)
        inputs = inputs_of(loop, champion=champion)
        if found.last is not None and found.last.inputs == inputs:
            return _nothing(found, untaken=untaken)
        number = found.next_number if found.unfinished is None else found.unfinished.number
        started = datetime.now(UTC).isoformat(timespec="seconds")
        refuse_unready(loop, champion=champion)
        control = control_of(loop, last=found.last)
        plan = RoundPlan(
            number=number, started=started, inputs=inputs, champion=champion, control=control, untaken=untaken
        )
        begin(loop, plan=plan)
    return carry_out(Work(loop=loop, plan=plan, run=inner, last=found.last))


def _nothing(found: Standing, *, untaken: Untaken) -> Result:
    from pipelines.loop.carry_out import untaken_lines

    assert found.last is not None
    told = f"nothing to do: nothing changed since round {found.last.number}, {found.last.champion} is the champion"
    data = {"command": "retrain", "outcome": NOTHING_TO_DO, "round": None, "sentence": told, "report": None}
    return Result.of([told, *untaken_lines(untaken)], data | msgspec.to_builtins(untaken), set_aside=untaken.set_aside)


def _explained(loop: Loop) -> Result:
    """Tell what would run and why. Labels are not pulled, so that what they would change is not known."""
    from pipelines.loop.control import control_of
    from pipelines.loop.explain import explained
    from pipelines.loop.readiness import missing_now
    from pipelines.loop.rounds import RoundPlan, champion_of, changes, inputs_of, standing

    found = standing(loop)
    champion = champion_of(loop)
    missing = missing_now(loop, champion=champion)
    inputs = inputs_of(loop, champion=champion)
    reasons: list[str] = []
    if found.unfinished is not None:
        reasons = [f"round {found.unfinished.number} is not finished, and continues"]
    elif found.last is None:
        reasons = ["it is the first round"]
    else:
        reasons = changes(found.last.inputs, now=inputs)
    control = control_of(loop, last=found.last) if found.unfinished is None else found.unfinished.control
    plan = RoundPlan(number=found.next_number, started="", inputs=inputs, champion=champion, control=control)
    result = explained(loop, plan=plan, reasons=reasons)
    return replace(
        result,
        warnings=tuple(f"the round could not begin now: {one.reason}; {one.remedy}" for one in missing),
        exit_code=max((one.exit_code for one in missing), default=0),
    )
