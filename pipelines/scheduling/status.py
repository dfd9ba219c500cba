"""`curate schedule status`: is a service at work, what comes next, and what became of the last slots."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

import msgspec

from pipelines.command_line.options import Result, RunOptions, setting
from pipelines.loop.config import read_loop_config
from pipelines.scheduling.schedule import need_scheduler, schedule_text, timetable_of, workspace_of
from pipelines.scheduling.slots import AT_WORK, Slot, read_slots

SHOWN: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleStatusFlags:
    """Which loop."""

    config: Path = setting("The loop, a YAML file.", default=Path("loop.yaml"), metavar="FILE")


def status(settings: ScheduleStatusFlags, *, run: RunOptions) -> Result:
    """Show whether a service runs, when the next round is due, how the last slots ended, and what is still to run.

    \b
    Example:  curate schedule status --config loop.yaml
    """
    config = read_loop_config(settings.config)
    need_scheduler()
    from pipelines.scheduling.calendar_door import read_noted, slots_of
    from pipelines.scheduling.service import FOLDER, holder_of

    workspace, timetable = workspace_of(settings.config, config=config), timetable_of(config)
    holder, slots = holder_of(workspace), read_slots(workspace)
    noted = None if timetable.is_empty else read_noted(workspace / FOLDER)
    owed: list[str] = [f"{_when(slot)} is {slot.outcome}" for slot in _unfinished(slots, is_held=holder is not None)]
    following = None
    if noted is not None and noted.timetable == timetable.text:
        now = datetime.now(UTC)
        missed = sum(1 for _ in takewhile(lambda slot: slot <= now, slots_of(timetable, first=noted.next)))
        following = noted.next
        if holder is None and missed:
            owed.append(f"{missed} slots came since {noted.next:%Y-%m-%d %H:%M} UTC while no service ran")
    elif noted is not None:
        owed.append(f"the schedule in the file is not the one that was started, {noted.timetable}; start it again")
    data: dict[str, Any] = {
        "command": "schedule status",
        "when": schedule_text(config),
        "pid": holder,
        "next": None if following is None else following.isoformat(),
        "owed": owed,
        "slots": [msgspec.to_builtins(slot) for slot in slots[-SHOWN:]],
    }
    return Result.of(_lines(data, slots=slots[-SHOWN:]), data)


def _unfinished(slots: list[Slot], *, is_held: bool) -> list[Slot]:
    """Return the slots whose round seems to run although no service does."""
    return [] if is_held else [slot for slot in slots if slot.outcome == AT_WORK]


def _lines(data: dict[str, Any], *, slots: list[Slot]) -> list[str]:
    head = "no service runs" if data["pid"] is None else f"a service runs, process {data['pid']}"
    lines = [f"{head}: {data['when']}", f"  next   {data['next'] or 'not known'}"]
    lines += [f"  owed   {line}; one round at the next start" for line in data["owed"]]
    return [*lines, *(f"  {_when(slot)}  {_told(slot)}" for slot in slots)]


def _told(slot: Slot) -> str:
    parts = [f"{slot.outcome:<12}", f"{slot.seconds:.0f} s" if slot.seconds is not None else "", slot.sentence]
    if slot.exit_code:
        parts.insert(2, f"exit code {slot.exit_code}")
    if slot.stood_for > 1:
        parts.append(f"for {slot.stood_for} slots")
    return "  ".join(part for part in parts if part)


def _when(slot: Slot) -> str:
    return f"{slot.due:%Y-%m-%d %H:%M:%S}"
