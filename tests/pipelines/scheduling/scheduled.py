"""Services that are started as processes (see `schedule_program`), stopped and killed; and what became of them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from pipelines.scheduling.slots import Slot, read_slots
from tests.pipelines import commands

PROGRAM = (sys.executable, "-m", "tests.pipelines.scheduling.schedule_program")


@dataclass
class Scheduled:
    """A workspace in which services are started, one after the other."""

    workspace: Path
    every_s: float = 1.0
    told: str = "often"
    patience_s: float = 5.0
    labels: int | None = None
    plan: dict[str, Any] = field(default_factory=dict)

    def start(self) -> subprocess.Popen[str]:
        """Start a service."""
        settings = {name: getattr(self, name) for name in ("every_s", "told", "patience_s", "labels", "plan")}
        return commands.start(self.workspace, json.dumps(settings), command=PROGRAM)

    def slots(self) -> list[Slot]:
        """Return the slots as they stand in the file."""
        return read_slots(self.workspace)

    def ended(self) -> list[Slot]:
        """Return the slots whose round came to an end."""
        return [slot for slot in self.slots() if slot.has_ended]

    def notes(self) -> list[list[str]]:
        """Return what rounds noted: a word, their process, and when."""
        path = self.workspace / "notes"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def begun(self) -> list[str]:
        """Return the processes of the rounds that began."""
        return [process for word, process, _ in self.notes() if word == "begin"]

    def answer(self, text: str) -> None:
        """Let the service ask for new labels, and get an answer, at least twice."""
        (self.workspace / "labels").write_text(text)
        asked = self.workspace / "asked"
        known = asked.stat().st_size if asked.exists() else 0
        wait_until(lambda: asked.exists() and asked.stat().st_size >= known + 3)  # one may be of the answer before

    def has_no_gap(self, slots: list[Slot] | None = None) -> bool:
        """Tell whether every slot, from the first to the last, is accounted for, and none twice."""
        step = timedelta(seconds=self.every_s)
        chosen = self.slots() if slots is None else slots
        dues = sorted(slot.due + step * number for slot in chosen for number in range(slot.stood_for))
        return all(abs(after - before - step) < step / 100 for before, after in pairwise(dues))

    def covers_all(self, slots: list[Slot]) -> bool:
        """Tell whether every slot, from the first to the last, is accounted for, some perhaps twice."""
        step = timedelta(seconds=self.every_s)
        first = min(slot.due for slot in slots)
        numbers = {round((slot.due - first) / step) + more for slot in slots for more in range(slot.stood_for)}
        return numbers == set(range(len(numbers)))


def wait_until(holds: Callable[[], object], *, patience_s: float = 60.0) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def stop(service: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    """Stop a service as systemd does; nothing of it is left."""
    service.send_signal(signal.SIGTERM)
    done = commands.finish(service, timeout_s=60)
    assert done.returncode == 130, done.stderr
    return done


def kill(service: subprocess.Popen[str]) -> None:
    """Kill a service as nothing can be prepared for."""
    service.kill()
    service.communicate(timeout=30)


def is_alive(process: str) -> bool:
    """Tell whether a process is there, and no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def overlaps(notes: list[list[str]]) -> int:
    """Return how many rounds began while another was at work."""
    at_work: set[str] = set()
    found = 0
    for word, process, _ in notes:
        if word == "begin":
            found += bool(at_work)
            at_work.add(process)
        else:
            at_work.discard(process)
    return found
