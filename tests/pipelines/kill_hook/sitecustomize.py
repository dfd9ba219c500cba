"""Loaded by Python at start when its folder is on PYTHONPATH: kills, or fails, a process at its Nth change on disk.

`FAULT_PLAN` is `<process>:<what>:<n>`: process `main` or `worker`; what `kill` (SIGKILL to the whole group), `alone`
(SIGKILL to this process, once), `full` (no space from there on), `fault` (one I/O error) or `count`. Only changes below
`FAULT_ROOT` count. With `FAULT_COUNT`, each process leaves a file there whose size is its number of changes.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

CHANGES = {"os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree"}
NEED_SPACE = {"open", "os.rename", "os.link", "os.mkdir"}
WRITING = os.O_WRONLY | os.O_RDWR


def _install() -> None:
    process, what, number = os.environ["FAULT_PLAN"].split(":")
    is_worker = "--multiprocessing-fork" in sys.orig_argv
    if is_worker == (process == "worker"):
        sys.addaudithook(_hook(what, number=int(number), process=process))


def _hook(what: str, *, number: int, process: str) -> Callable[[str, tuple[object, ...]], None]:
    root = os.environ["FAULT_ROOT"]
    counter = os.environ.get("FAULT_COUNT")
    seen = 0
    is_busy = False

    def on_event(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen, is_busy
        if is_busy or not _is_change(event, arguments):
            return
        path = _path(arguments[1] if event == "os.link" else arguments[0])  # a link changes where it points from
        if not path.startswith(root):
            return
        seen += 1
        is_busy = True
        try:
            if counter:
                with Path(counter, f"{process}-{os.getpid()}").open("ab") as stream:
                    stream.write(b".")
            if seen >= number:
                _strike(what, event=event, path=path, is_first=seen == number)
        finally:
            is_busy = False

    return on_event


def _is_change(event: str, arguments: tuple[object, ...]) -> bool:
    if event == "open":
        flags = arguments[2]
        return isinstance(flags, int) and bool(flags & WRITING)
    return event in CHANGES


def _path(path: object) -> str:
    if isinstance(path, str | bytes | os.PathLike):
        return str(Path(os.fsdecode(path)).absolute())
    return ""


def _strike(what: str, *, event: str, path: str, is_first: bool) -> None:
    if what == "kill":
        os.killpg(0, signal.SIGKILL)
    if what == "alone":
        mark = Path(os.environ["FAULT_ONCE"])
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    if what == "full" and event in NEED_SPACE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
    if what == "fault" and is_first:
        raise OSError(errno.EIO, os.strerror(errno.EIO), path)


if "FAULT_PLAN" in os.environ:
    _install()
