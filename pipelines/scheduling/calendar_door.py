"""When slots come. The only door to APScheduler.

Why APScheduler: it lives in one process and needs no server, no broker and no database of its own, so that `pip
install` is all the set-up there is. Its stores keep jobs as pickles, which run what they hold when they are read; the
store here keeps JSON. Its own cron loses midnights, and whole months, where clocks change: see `timetable`.
All of it reckons in UTC: Python compares times of one zone by what clocks show, which an hour that comes twice defeats.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Final

import msgspec
from apscheduler.executors.base import BaseExecutor, MaxInstancesReachedError  # type: ignore[import-untyped]
from apscheduler.executors.pool import ThreadPoolExecutor  # type: ignore[import-untyped]
from apscheduler.jobstores.memory import MemoryJobStore  # type: ignore[import-untyped]
from apscheduler.schedulers.blocking import BlockingScheduler  # type: ignore[import-untyped]
from apscheduler.triggers.base import BaseTrigger  # type: ignore[import-untyped]
from apscheduler.triggers.combining import OrTrigger  # type: ignore[import-untyped]
from apscheduler.triggers.interval import IntervalTrigger  # type: ignore[import-untyped]

from curation.errors import EnvironmentProblem
from curation.storage.files import write_durable
from pipelines.loop.timetable import CronRule, Timetable, next_time
from pipelines.scheduling.slots import Tell

NEXT: Final = "next.json"
ROUNDS: Final = "rounds"


class Noted(msgspec.Struct, frozen=True, kw_only=True):
    """What outlives the process: the next slot, and the timetable that it was reckoned from."""

    timetable: str
    next: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Who hears of slots: `due` gets the first slot and how many there are, and tells whether a round begins.

    `failed` gets what must not happen. Both are called in the thread of the calendar.
    """

    due: Callable[[datetime, int], bool]
    failed: Callable[[Exception], None]
    tell: Tell


class Calendar:
    """Calls a listener at every slot, in a thread of its own. What was missed comes at once, together."""

    def __init__(self, timetable: Timetable, *, folder: Path, listener: Listener) -> None:
        logging.getLogger("apscheduler").addHandler(logging.NullHandler())  # what it has to say, the listener tells
        self._timetable = timetable
        self._listener = listener
        self._folder = folder
        self._scheduler = BlockingScheduler(
            timezone=UTC,
            jobstores={ROUNDS: KeptStore(folder / NEXT, tell=listener.tell)},
            executors={ROUNDS: RoundExecutor(listener), "default": ThreadPoolExecutor(max_workers=1)},
        )

    def ask_every(self, seconds: float, *, ask: Callable[[], None]) -> None:
        """Call `ask` now and then; it has to deal with its own errors."""
        self._scheduler.add_job(ask, IntervalTrigger(seconds=seconds, timezone=UTC), misfire_grace_time=None)

    def start(self, *, owed: datetime | None) -> None:
        """Begin: with the slot that is owed, else the one that was noted, else the next of a new timetable."""
        if not self._timetable.is_empty:
            trigger = _trigger(self._timetable)
            first = _first(self._timetable, trigger=trigger, noted=read_noted(self._folder))
            self._scheduler.add_job(
                _begin_round,
                trigger,
                id=ROUNDS,
                name=self._timetable.text,
                jobstore=ROUNDS,
                executor=ROUNDS,
                next_run_time=min(first, owed) if owed else first,
                misfire_grace_time=None,
                coalesce=False,  # the executor is given all that are due, and makes one round of them
                max_instances=1,
            )
        threading.Thread(target=self._keep, name="calendar", daemon=True).start()

    def stop(self) -> None:
        """Call nobody any more."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def _keep(self) -> None:
        try:
            self._scheduler.start()
        except Exception as error:  # noqa: BLE001 - the main thread raises it: no service may live on without a calendar
            self._listener.failed(error)


class RoundExecutor(BaseExecutor):  # type: ignore[misc]
    """Hands slots that are due to a listener, all that were missed as one."""

    def __init__(self, listener: Listener) -> None:
        super().__init__()
        self._listener = listener

    def submit_job(self, job: Any, run_times: list[datetime]) -> None:
        """Hand slots on; whether a round is at work already is known there, and not here."""
        self._do_submit_job(job, run_times)

    def _do_submit_job(self, job: Any, run_times: list[datetime]) -> None:
        try:
            is_begun = self._listener.due(run_times[0], len(run_times))
        except Exception as error:  # noqa: BLE001 - APScheduler would log it, and go on as if nothing were
            self._listener.failed(error)
            return
        if not is_begun:
            raise MaxInstancesReachedError(job)


class CronTimes(BaseTrigger):  # type: ignore[misc]
    """The times of a rule of cron, for APScheduler."""

    def __init__(self, rule: CronRule, *, zone: tzinfo) -> None:
        self._rule = rule
        self._zone = zone

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """Return the time after the one before, or without one the next from now on, in UTC."""
        after = now - timedelta(microseconds=1) if previous_fire_time is None else previous_fire_time
        return next_time(self._rule, after=after.astimezone(UTC), zone=self._zone)


class KeptStore(MemoryJobStore):  # type: ignore[misc]
    """Keeps the next slot on the disk, as JSON."""

    def __init__(self, path: Path, *, tell: Tell) -> None:
        super().__init__()
        self._path = path
        self._tell = tell

    def add_job(self, job: Any) -> None:
        """Take a job, and note its next slot."""
        super().add_job(job)
        self._note(job)

    def update_job(self, job: Any) -> None:
        """Take a job as it is now, and note its next slot."""
        super().update_job(job)
        self._note(job)

    def _note(self, job: Any) -> None:
        try:
            write_durable(self._path, msgspec.json.encode(Noted(timetable=job.name, next=job.next_run_time)))
        except EnvironmentProblem as problem:  # the calendar continues; the next slot is noted again
            self._tell(f"warning: {problem}")


def read_noted(folder: Path) -> Noted | None:
    """Return the next slot as it was noted, None where none was."""
    try:
        return msgspec.json.decode((folder / NEXT).read_bytes(), type=Noted)
    except (OSError, msgspec.DecodeError, ValueError):
        return None


def slots_of(timetable: Timetable, *, first: datetime | None = None) -> Iterator[datetime]:
    """Return the slots from `first` on, or from now on, one after the other, without end, in the zone of the rule."""
    trigger = _trigger(timetable)
    slot = first or trigger.get_next_fire_time(None, datetime.now(UTC))
    while slot is not None:
        yield slot.astimezone(timetable.zone)
        slot = trigger.get_next_fire_time(slot, slot)


def _first(timetable: Timetable, *, trigger: Any, noted: Noted | None) -> datetime:
    """Return the noted slot; but the next from now on where the timetable is another, or the clock was put back."""
    fresh: datetime = trigger.get_next_fire_time(None, datetime.now(UTC))
    if noted is None or noted.timetable != timetable.text:
        return fresh
    return min(noted.next.astimezone(UTC), fresh)


def _trigger(timetable: Timetable) -> Any:
    triggers = [] if timetable.rule is None else [CronTimes(timetable.rule, zone=timetable.zone)]
    if timetable.every is not None:
        triggers.append(IntervalTrigger(seconds=timetable.every.total_seconds(), timezone=UTC))
    return OrTrigger(triggers)


def _begin_round() -> None:
    """Stand for a round where APScheduler wants a function; the executor never calls it."""
