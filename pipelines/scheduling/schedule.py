"""`curate schedule`: rounds on a calendar."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from curation.errors import ConfigurationProblem, EnvironmentProblem
from pipelines.command_line.options import Result, RunOptions, setting
from pipelines.command_line.progress import tell
from pipelines.labels.server import connected
from pipelines.loop.config import LoopConfig, read_loop_config
from pipelines.loop.timetable import Timetable, read_timetable
from pipelines.loop.webhooks import notify_failure

if TYPE_CHECKING:
    from pipelines.scheduling.round_process import RoundEnd
    from pipelines.scheduling.service import LabelTrigger
    from pipelines.scheduling.slots import Tell

SHOWN: Final = 5
"""Slots that a dry run names."""
ASK_PATIENCE_S: Final = 5.0
"""For a Label Studio that is away; it is asked again in a minute anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleFlags:
    """Which loop."""

    config: Path = setting("The loop, a YAML file; its section `schedule` says when.", metavar="FILE")


def schedule(settings: ScheduleFlags, *, run: RunOptions) -> Result:
    """Run a round of the loop at every slot of its schedule, until Ctrl-C.

    A round is `curate retrain`, in a process of its own. Slots that were missed, while the machine was down or the
    service was not running, become one round at the next start. A slot that comes while a round runs is skipped.
    A round whose service was killed or stopped is run again at the next start. What became of every slot stands in
    slots.jsonl in the workspace, and what rounds printed in the folder schedule there.

    With `new_labels: N` a round also begins as soon as N new labels have arrived since the last round.

    \b
    Examples:
      curate schedule --config loop.yaml
      curate schedule --config loop.yaml --dry-run      prints the next slots only
      curate schedule status --config loop.yaml
    """
    config = read_loop_config(settings.config)
    timetable = timetable_of(config)
    if timetable.is_empty and config.schedule.new_labels is None:
        raise ConfigurationProblem(
            "the section schedule names no time",
            where=settings.config,
            remedy="give it cron, every or new_labels; `curate init` writes an example",
        )
    labels = _labels_of(config, where=settings.config)
    need_scheduler()
    if run.dry_run:
        return _next_slots(timetable, when=schedule_text(config))
    from pipelines.scheduling.service import Service, serve

    workspace = workspace_of(settings.config, config=config)
    service = Service(
        workspace=workspace,
        command=command_of_round(settings.config, run=run),
        timetable=timetable,
        labels=labels,
        when=schedule_text(config),
        on_crash=lambda end: _notify_crash(config, workspace=workspace, end=end, tell=partial(tell, run=run)),
    )
    return serve(service, tell=partial(tell, run=run))  # it ends by a signal


def command_of_round(config: Path, *, run: RunOptions) -> tuple[str, ...]:
    """Return the command of one round, which works from any folder."""
    # -P: a file of the folder that we are in must not stand for a module
    start = (sys.executable, "-P", "-m", "pipelines.command_line.start", "retrain", "--config", str(config.resolve()))
    return (*start, "--workers", str(run.workers), "--device", run.device, "--json", "--quiet")


def workspace_of(path: Path, *, config: LoopConfig) -> Path:
    """Return the workspace that a configuration names, as seen from its file."""
    return path.resolve().parent / config.workspace


def timetable_of(config: LoopConfig) -> Timetable:
    """Return the times of rounds."""
    times = config.schedule
    return read_timetable(cron=times.cron, every=times.every, zone=times.timezone)


def schedule_text(config: LoopConfig) -> str:
    """Return all that begins a round, in words."""
    number = config.schedule.new_labels
    labels = [] if number is None else [f"when {number} new labels are in"]
    return ", ".join(([told] if (told := timetable_of(config).text) else []) + labels) or "no time is named"


def need_scheduler() -> None:
    """Raise EnvironmentProblem where the packages of the extra `loop` are not installed."""
    try:
        import pipelines.scheduling.calendar_door  # noqa: F401 - the door to the scheduler
    except ModuleNotFoundError as error:
        raise EnvironmentProblem(
            f"the package {error.name} is not installed",
            remedy="install the extra: pip install 'portrait-curate[loop]'",
        ) from error


def _labels_of(config: LoopConfig, *, where: Path) -> LabelTrigger | None:
    number, project = config.schedule.new_labels, config.label.project
    if number is None:
        return None
    if project is None:
        raise ConfigurationProblem(
            "schedule.new_labels is given, and label.project is not",
            where=where,
            remedy="name the project whose labels are counted, or take new_labels out",
        )
    from pipelines.scheduling.service import LabelTrigger

    def ask(since: datetime | None) -> int:
        from labeling.label_tools.label_studio.pull.status import submitted_since

        with connected(None, patience_s=ASK_PATIENCE_S) as client:
            return submitted_since(since, client=client, title=project)

    return LabelTrigger(number=number, ask=ask)


def _next_slots(timetable: Timetable, *, when: str) -> Result:
    from pipelines.scheduling.calendar_door import slots_of

    slots = [] if timetable.is_empty else list(islice(slots_of(timetable), SHOWN))
    lines = [f"{when} (dry run, nothing is started)", *(f"  {slot:%a %Y-%m-%d %H:%M %Z}" for slot in slots)]
    data: dict[str, Any] = {"command": "schedule", "when": when, "slots": [slot.isoformat() for slot in slots]}
    return Result.of(lines, data | {"dry_run": True})


def _notify_crash(config: LoopConfig, *, workspace: Path, end: RoundEnd, tell: Tell) -> None:
    told: Mapping[str, object] = {"outcome": end.outcome, "model": config.model, "sentence": end.sentence}
    for warning in notify_failure(config.notify, told=told, workspace=workspace):
        tell(f"warning: {warning}")
