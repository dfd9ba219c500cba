"""The service of `curate schedule`: it starts a round at every slot, one at a time, and accounts for each.

The thread of the calendar notes a slot and hands it over; the main thread starts the round as a process, waits for it,
and notes what became of it: a round dies with the main thread. A signal is handed over as well, instead of raised
where it happens to come: Python ignores what is raised while it forks, and the service would go on.
"""

from __future__ import annotations

import json
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NoReturn

import msgspec

from curation.errors import CurateError, EnvironmentProblem, Interrupted
from curation.storage.lock import exclusive
from pipelines.loop.timetable import Timetable
from pipelines.scheduling.calendar_door import Calendar, Listener
from pipelines.scheduling.round_process import (
    RoundEnd,
    born_of,
    end_leftover,
    end_of,
    end_round,
    start_round,
    stop_round,
    watch_round,
)
from pipelines.scheduling.slots import AT_WORK, DONE_CODES, FAILED, INTERRUPTED, LOST, SKIPPED, Slot, SlotBook, Tell

FOLDER: Final = "schedule"
"""In the workspace: the lock, the next slot, and the logs of rounds."""
LOCK: Final = "lock"
ASK_EVERY_S: Final = 60.0
STOP_PATIENCE_S: Final = 20.0
"""Shorter than the 30 s after which Kubernetes kills, and the 90 s of systemd."""
WAKE_EVERY_S: Final = 1.0
"""Python runs no handler of a signal that came just before it began to wait, until it wakes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelTrigger:
    """A round begins as soon as `ask` gives at least `number` new labels since a moment, None for all there are."""

    number: int
    ask: Callable[[datetime | None], int]
    every_s: float = ASK_EVERY_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What is run, where, and when; `when` is the same in words.

    `on_crash` is called for a round that could not report its own end: it was killed, or met a bug.
    """

    workspace: Path
    command: tuple[str, ...]
    timetable: Timetable
    labels: LabelTrigger | None = None
    when: str = ""
    stop_patience_s: float = STOP_PATIENCE_S
    on_crash: Callable[[RoundEnd], None] = lambda end: None


def serve(service: Service, *, tell: Tell) -> NoReturn:
    """Start rounds until a signal comes, and raise Interrupted then.

    Raises EnvironmentProblem at once when another service is at work in the workspace.
    """
    with _alone_in(service.workspace):
        tell(f"rounds: {service.when or service.timetable.text}; Ctrl-C ends the service")
        at_work = _AtWork(service, tell=tell)
        owed = at_work.settle()
        calendar = at_work.calendar()
        calendar.start(owed=owed)
        try:
            with at_work.hearing_signals():
                while True:
                    at_work.next_round()
        finally:
            calendar.stop()
            at_work.leave()


def holder_of(workspace: Path) -> int | None:
    """Return the process of the service that is at work in a workspace, None where none is."""
    lock_file = workspace / FOLDER / LOCK
    try:
        holder = int(json.loads(lock_file.read_bytes())["pid"])
        locks = Path("/proc/locks").read_text()
        inode = lock_file.stat().st_ino
    except (OSError, ValueError, KeyError, TypeError):
        return None
    # The file stays behind where a service was killed; a lock does not
    return (
        holder if any(line.split()[5].endswith(f":{inode}") for line in locks.splitlines() if "FLOCK" in line) else None
    )


class _AtWork:
    """A service that runs: its slots, and the round that is at work."""

    def __init__(self, service: Service, *, tell: Tell) -> None:
        self._service = service
        self._tell = tell
        self._folder = service.workspace / FOLDER
        self._book = SlotBook(service.workspace, tell=tell)
        self._inbox: queue.SimpleQueue[Slot | int | Exception] = queue.SimpleQueue()
        self._slot: Slot | None = None
        self._lock = threading.Lock()
        self._complaint = ""

    def settle(self) -> datetime | None:
        """Note rounds whose service was killed as lost, end what is left of them, and give the slot that is owed."""
        for slot in self._book.slots:
            if slot.outcome == AT_WORK:
                end_leftover(slot.pid, born=slot.born, patience_s=self._service.stop_patience_s)
                self._book.change(slot, outcome=LOST, sentence="the service was killed during the round")
        owed = self._book.unfinished()
        if owed is None:
            return None
        self._tell(f"{_named(owed)}: the round was {owed.outcome} with the service; it is run again")
        return owed.due

    def calendar(self) -> Calendar:
        """Return the calendar that calls us."""
        listener = Listener(due=self._due, failed=self._inbox.put, tell=self._tell)
        calendar = Calendar(self._service.timetable, folder=self._folder, listener=listener)
        if self._service.labels is not None:
            calendar.ask_every(self._service.labels.every_s, ask=self._ask_for_labels)
        return calendar

    @contextmanager
    def hearing_signals(self) -> Iterator[None]:
        """Take the first signal up where the service waits; the next one does what it did before, at once."""

        def hear(number: int, frame: object) -> None:
            for one, handler in before.items():
                signal.signal(one, handler)
            self._inbox.put(Interrupted(signal.Signals(number).name))

        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            for number, handler in before.items():
                if handler is not signal.SIG_IGN:  # a shell starts what runs in its background with Ctrl-C ignored
                    signal.signal(number, hear)
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def next_round(self) -> None:
        """Wait for the next slot, and run its round to the end."""
        slot = self._heard()
        assert isinstance(slot, Slot), "no round runs that could end"
        missed = f", one round for {slot.stood_for} slots" if slot.stood_for > 1 else ""
        self._tell(f"{_named(slot)}: a round begins ({slot.why}{missed})")
        self._note_end(slot, end=self._run(slot))

    def leave(self) -> None:
        """Note a round that was not let finish."""
        for slot in self._book.slots:
            if slot.outcome == AT_WORK:
                sentence = "the service was stopped during the round"
                self._book.change(slot, outcome=INTERRUPTED, sentence=sentence, seconds=_seconds(slot))
        self._book.write()  # a signal may have come between a change and the disk

    def _run(self, slot: Slot) -> RoundEnd:
        try:
            process, log = start_round(self._service.command, folder=self._folder, begun=slot.started)
        except EnvironmentProblem as problem:
            return RoundEnd(exit_code=problem.exit_code, outcome=FAILED, sentence=problem.reason)
        try:
            where = str(log.relative_to(self._service.workspace))
            self._change(pid=process.pid, born=born_of(process.pid), log=where)
            watch_round(process, ended=self._inbox.put)
            self._heard()  # slots that come meanwhile are skipped
        except BaseException:  # a signal: the round is interrupted with us
            stop_round(process, patience_s=self._service.stop_patience_s)
            raise
        return end_of(end_round(process), log=log)

    def _heard(self) -> Slot | int:
        """Wait for a slot, or for the round that is at work; raises what is to end the service."""
        while True:
            with suppress(queue.Empty):
                heard = self._inbox.get(timeout=WAKE_EVERY_S)
                if isinstance(heard, Exception):
                    raise heard
                return heard

    def _note_end(self, begun: Slot, *, end: RoundEnd) -> None:
        seconds = _seconds(begun)
        slot = self._change(
            exit_code=end.exit_code,
            outcome=end.outcome,
            sentence=end.sentence,
            seconds=seconds,
            round=end.round,
            report=end.report,
        )
        with self._lock:
            self._slot = None
        told = f": {end.sentence}" if end.sentence else ""
        code = "" if end.exit_code in DONE_CODES else f", exit code {end.exit_code}"
        self._tell(f"{_named(slot)}: {end.outcome} after {seconds:.0f} s{code}{told}")
        if end.exit_code < 0 or end.exit_code == CurateError.exit_code:
            # in a thread: the receiver may answer slowly, and a stop must still be noticed
            threading.Thread(target=self._service.on_crash, args=(end,), name="crash", daemon=True).start()

    def _due(self, due: datetime, number: int, *, why: str = "calendar") -> bool:
        """Note a slot, and hand it to the main thread; or note it as skipped where a round is at work."""
        with self._lock:
            slot = Slot(due=due.astimezone(UTC), started=datetime.now(UTC), stood_for=number, why=why)
            if self._slot is not None:
                sentence = f"the round of {_named(self._slot)} was at work"
                self._book.add(msgspec.structs.replace(slot, outcome=SKIPPED, sentence=sentence))
                self._tell(f"{_named(slot)}: skipped, {sentence}")
                return False
            self._book.add(slot)
            self._slot = slot
        self._inbox.put(slot)
        return True

    def _ask_for_labels(self) -> None:
        labels, complaint = self._service.labels, ""
        if labels is None or self._slot is not None:
            return
        try:
            number = labels.ask(self._book.last_end())
            if number >= labels.number:
                self._due(datetime.now(UTC), 1, why=f"{number} new labels")
        except CurateError as problem:
            complaint = problem.reason
        except Exception as error:  # noqa: BLE001 - an answer that nobody foresaw must not end the calendar
            complaint = f"the answer makes no sense ({type(error).__name__})"
        if complaint and complaint != self._complaint:
            self._tell(f"new labels cannot be counted: {complaint}; the calendar continues, and it is asked again")
        self._complaint = complaint

    def _change(self, **values: object) -> Slot:
        with self._lock:
            assert self._slot is not None, "a round runs"
            self._slot = self._book.change(self._slot, **values)
            return self._slot


@contextmanager
def _alone_in(workspace: Path) -> Iterator[None]:
    with ExitStack() as held:
        try:
            held.enter_context(exclusive(workspace / FOLDER / LOCK))
        except EnvironmentProblem as problem:
            if not isinstance(problem.__cause__, BlockingIOError):
                raise
            raise EnvironmentProblem(
                problem.reason.replace("another run works in this folder", "a schedule runs here already"),
                where=workspace,
                remedy="`curate schedule status` shows it; stop it first, or give another workspace",
            ) from problem
        yield


def _named(slot: Slot) -> str:
    return f"{slot.due:%Y-%m-%d %H:%M:%S} UTC"


def _seconds(slot: Slot) -> float:
    return max(0.0, (datetime.now(UTC) - slot.started).total_seconds())
