"""A round as a process of its own: it dies when we do, leaves nothing behind, and says what became of it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from curation.errors import EnvironmentProblem
from curation.quarantine import printable
from curation.storage.files import make_folder
from labeling.local_server import start_server, stop_server
from pipelines.scheduling.slots import DONE_CODES, FAILED, INTERRUPTED, SKIPPED

LOGS_KEPT: Final = 50
LOG_NAME: Final = "round-{:%Y%m%dT%H%M%S.%f}.log"
READ_BYTES: Final = 1_000_000
"""The end of a log, in which the result stands."""
SAID_LENGTH: Final = 500
INTERRUPTED_CODE: Final = 130
IN_USE_CODE: Final = 5
POLL_S: Final = 0.05
BORN_FIELD: Final = 19
"""Of /proc/PID/stat, counted from behind the name: when the process began."""
ZOMBIE: Final = "Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundEnd:
    """What a round said at its end; `exit_code` is negative for the signal that killed it."""

    exit_code: int
    outcome: str
    sentence: str
    round: int | None = None
    report: str | None = None


def start_round(command: Sequence[str], *, folder: Path, begun: datetime) -> tuple[subprocess.Popen[bytes], Path]:
    """Start a round with a log of its own in a folder, which keeps the last `LOGS_KEPT`.

    It ends with the thread that calls this. Raises EnvironmentProblem when it cannot be started.
    """
    make_folder(folder)
    for old in sorted(folder.glob("round-*.log"))[: -(LOGS_KEPT - 1)]:
        old.unlink(missing_ok=True)
    log = folder / LOG_NAME.format(begun)
    try:
        return start_server(command, environment=os.environ, log=log), log
    except OSError as error:
        raise EnvironmentProblem(
            f"a round cannot be started: {(error.strerror or str(error)).lower()}",
            where=command[0],
            remedy="is the environment that this service was started from still there?",
        ) from error


def watch_round(process: subprocess.Popen[bytes], *, ended: Callable[[int], None]) -> None:
    """Call `ended` with the number of the process, in a thread of its own, as soon as the round has ended."""

    def watch() -> None:
        with suppress(ChildProcessError):  # it was stopped, and is gone
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        ended(process.pid)

    threading.Thread(target=watch, name="round", daemon=True).start()


def end_round(process: subprocess.Popen[bytes]) -> int:
    """End what a round that has ended left behind, and give its exit code."""
    _kill_group(process.pid)  # before its number is free for others
    return process.wait()


def stop_round(process: subprocess.Popen[bytes], *, patience_s: float) -> None:
    """Interrupt a round, and kill it when it does not end within `patience_s`, or when a second stop arrives."""
    try:
        stop_server(process, patience_s=patience_s)
    finally:
        if process.returncode is None:
            _kill_group(process.pid)
            process.wait()


def end_of(exit_code: int, *, log: Path) -> RoundEnd:
    """Return what a round said in its log, where all it printed stands."""
    told = _last_object(log)
    where = f"{told['where']}: " if told.get("where") else ""
    sentence = told.get("sentence") or (told.get("error") and f"{where}{told['error']}") or told.get("summary") or ""
    sentence = printable(str(sentence))[:SAID_LENGTH]
    if exit_code in DONE_CODES:
        outcome = str(told.get("outcome") or "done")
    elif exit_code == IN_USE_CODE and "is at work" in sentence:
        outcome = SKIPPED
    elif exit_code == INTERRUPTED_CODE:
        outcome = INTERRUPTED
    else:
        outcome = FAILED
        sentence = sentence or (f"killed by {_signal_name(-exit_code)}" if exit_code < 0 else f"look in {log}")
    number, report = told.get("round"), told.get("report")
    return RoundEnd(
        exit_code=exit_code,
        outcome=outcome,
        sentence=sentence,
        round=number if isinstance(number, int) else None,
        report=report if isinstance(report, str) else None,
    )


def born_of(pid: int) -> int | None:
    """Return when a process began, in ticks since the machine did; None where none by this number is alive."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == ZOMBIE else int(fields[BORN_FIELD])


def end_leftover(pid: int | None, *, born: int | None, patience_s: float) -> None:
    """Wait for a round that outlived its service, and kill it when it does not end within `patience_s`."""
    begun = time.monotonic()
    while pid is not None and born is not None and born_of(pid) == born:
        waited_s = time.monotonic() - begun
        if waited_s > patience_s:
            _kill_group(pid)
        if waited_s > 2 * patience_s:  # the kernel holds it; the lock of its workspace still keeps rounds apart
            return
        time.sleep(POLL_S)


def _kill_group(number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(number, signal.SIGKILL)


def _signal_name(number: int) -> str:
    return next((one.name for one in signal.Signals if one == number), f"signal {number}")


def _last_object(log: Path) -> dict[str, Any]:
    """Return the last JSON object that begins a line; warnings and errors of other programs may stand around it."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - READ_BYTES))
            text = stream.read().decode(errors="replace")
    except OSError:
        return {}
    for start in reversed([match.start() for match in re.finditer(r"^\{", text, flags=re.MULTILINE)]):
        with suppress(ValueError):
            found, _ = json.JSONDecoder().raw_decode(text[start:])
            return dict(found)
    return {}
