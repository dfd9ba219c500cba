"""A service of rounds that is left on: one a minute, for half an hour. Is every slot accounted for, does anything leak?

`CURATE_SCHEDULE_MINUTES` is how long (30). `CURATE_SCHEDULE_CONFIG` is a loop whose cron is `* * * * *`, for real
rounds; without it a round is a program that sleeps for some seconds, each fifth for more than a minute.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import psutil

from curation.errors import Interrupted
from pipelines.loop.config import read_loop_config
from pipelines.loop.timetable import read_timetable
from pipelines.scheduling.schedule import workspace_of
from pipelines.scheduling.service import Service, serve
from pipelines.scheduling.slots import AT_WORK, DONE_CODES, SKIPPED, Slot, read_slots
from tests.bench.measuring import CURATE, say
from tests.places import REPOSITORY

MINUTE_S = 60
MARK = "CURATE_SCHEDULE_BENCH"
"""A variable of the environment by which all processes of the service are known."""
ROUND = """
import json, pathlib, sys, time
count = pathlib.Path(sys.argv[1])
number = int(count.read_text()) + 1 if count.exists() else 1
count.write_text(str(number))
time.sleep(70 if number % 5 == 0 else 5)
print(json.dumps({"outcome": "nothing_to_do", "round": number, "sentence": "Nothing is new."}))
"""


def bench_schedule() -> None:
    """Print what became of the slots, and what the service takes at minute 1 and at the end."""
    minutes = float(os.environ.get("CURATE_SCHEDULE_MINUTES", "30"))
    config = os.environ.get("CURATE_SCHEDULE_CONFIG")
    with tempfile.TemporaryDirectory(prefix="curate-schedule-") as folder:
        workspace, command = Path(folder), [sys.executable, "-m", "tests.bench.schedule", folder]
        if config is not None:
            workspace = workspace_of(Path(config), config=read_loop_config(Path(config)))
            command = [str(CURATE), "schedule", "--config", config]
        say(f"\nA service at one round a minute, for {minutes:g} minutes, {'real' if config else 'stand-in'} rounds:")
        known = len(read_slots(workspace))
        begun = datetime.now(UTC)
        service = subprocess.Popen(command, cwd=REPOSITORY, env=os.environ | {MARK: str(os.getpid())})
        early, late = _watched(service, minutes=minutes)
        seen = read_slots(workspace)[known:]
        service.send_signal(signal.SIGTERM)
        say(f"  SIGTERM: exit code {service.wait(timeout=MINUTE_S)}")
        _report(seen, begun=begun, ended=datetime.now(UTC))
        say(f"  memory {early[0]:.1f} MB at minute 1, {late[0]:.1f} MB at the end; open files {early[1]}, {late[1]}; "
            f"threads {early[2]}, {late[2]}")  # fmt: skip
        say(f"  processes left: {len(_left())}")


def _watched(
    service: subprocess.Popen[bytes], *, minutes: float
) -> tuple[tuple[float, int, int], tuple[float, int, int]]:
    """Return memory in MB, open files and threads of the service at minute 1 and at the end."""
    process = psutil.Process(service.pid)
    time.sleep(MINUTE_S)
    early = _taken(process)
    time.sleep(max(0.0, (minutes - 1) * MINUTE_S))
    assert service.poll() is None, "the service ended"
    return early, _taken(process)


def _taken(process: psutil.Process) -> tuple[float, int, int]:
    return process.memory_info().rss / 2**20, process.num_fds(), process.num_threads()


def _report(slots: list[Slot], *, begun: datetime, ended: datetime) -> None:
    first = begun.replace(second=0, microsecond=0) + timedelta(minutes=1)
    due = [first + timedelta(minutes=number) for number in range(int((ended - first).total_seconds() // MINUTE_S) + 1)]
    told = [slot.due + timedelta(minutes=number) for slot in slots for number in range(slot.stood_for)]
    ran = [slot for slot in slots if slot.outcome != SKIPPED]
    overlaps = sum(
        before.started + timedelta(seconds=before.seconds or 0) > after.started for before, after in pairwise(ran)
    )
    bad = [slot for slot in ran if slot.outcome != AT_WORK and slot.exit_code not in DONE_CODES]
    late = max(((slot.started - slot.due).total_seconds() for slot in ran), default=0)
    say(
        f"  slots due {len(due)}, accounted {len(set(told) & set(due))}, missing {len(set(due) - set(told))}, "
        f"twice {len(told) - len(set(told))}"
    )
    say(f"  rounds {len(ran)}, of them failed {len(bad)}; skipped {len(slots) - len(ran)}; overlaps {overlaps}")
    say(f"  a round began {late:.2f} s after its slot at the latest")


def _left() -> list[psutil.Process]:
    """Return the processes that are still there of those which the service started."""
    found = []
    for process in psutil.process_iter():
        try:
            is_ours = process.environ().get(MARK) == str(os.getpid())
            if is_ours and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def main() -> None:
    """Be the service with rounds that only sleep."""
    workspace = Path(sys.argv[1])
    service = Service(
        workspace=workspace,
        command=(sys.executable, "-S", "-c", ROUND, str(workspace / "count")),
        timetable=read_timetable(cron="* * * * *", every=None, zone="UTC"),
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    try:
        serve(service, tell=lambda line: say(f"    {line}"))
    except Interrupted:
        sys.exit(Interrupted.exit_code)


if __name__ == "__main__":
    main()
