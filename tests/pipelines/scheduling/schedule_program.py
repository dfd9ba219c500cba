"""A service with seconds for days, and rounds that only note that they ran; it imports no more than it must."""

from __future__ import annotations

import json
import os
import signal
import sys
from datetime import datetime, timedelta
from pathlib import Path

from curation.errors import CurateError, Interrupted
from pipelines.loop.timetable import Timetable
from pipelines.scheduling.round_process import RoundEnd
from pipelines.scheduling.service import LabelTrigger, Service, serve

ROUND = """
import json, os, signal, subprocess, sys, time
notes, plan = sys.argv[1], json.loads(sys.argv[2])
def note(word, process=os.getpid()):
    with open(notes, "a") as stream:
        stream.write(f"{word} {process} {time.time()}\\n")
def stop(number, frame):
    note("stopped")
    if not plan.get("is_deaf"):
        os._exit(130)
signal.signal(signal.SIGTERM, stop)
note("begin")
if plan.get("leaves"):
    note("left", subprocess.Popen(["sleep", "1000"]).pid)
until = time.monotonic() + plan.get("seconds", 0)
while time.monotonic() < until:
    time.sleep(0.02)
note("end")
if plan.get("signal"):
    os.kill(os.getpid(), plan["signal"])
print("a warning", file=sys.stderr)
usual = {"outcome": "kept", "round": 3, "sentence": "No gain.", "report": "r.html"}
print(json.dumps(plan.get("says", usual), indent=2))
sys.exit(plan.get("code", 0))
"""


def main() -> None:
    """Be the service."""
    workspace, settings = Path(sys.argv[1]), json.loads(sys.argv[2])

    def tell(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    def new_labels(since: datetime | None) -> int:
        with (workspace / "asked").open("a") as stream:
            stream.write(".")
        text = (workspace / "labels").read_text()
        if text == "away":
            raise CurateError("nobody answers")
        return sum(float(one) > (since.timestamp() if since else 0) for one in text.split())

    def told_of_kill(end: RoundEnd) -> None:
        tell(f"killed: {end.sentence}")

    if settings["plan"].get("is_stopped_at_fork"):  # what is raised in such a hook, Python ignores
        os.register_at_fork(before=lambda: os.kill(os.getpid(), signal.SIGTERM))
    number = settings["labels"]
    service = Service(
        workspace=workspace,
        command=(sys.executable, "-S", "-c", ROUND, str(workspace / "notes"), json.dumps(settings["plan"])),
        timetable=Timetable(
            every=timedelta(seconds=settings["every_s"]) if settings["every_s"] else None, text=settings["told"]
        ),
        labels=None if number is None else LabelTrigger(number=number, ask=new_labels, every_s=0.2),
        stop_patience_s=settings["patience_s"],
        on_crash=told_of_kill,
    )
    try:
        serve(service, tell=tell)
    except CurateError as error:
        tell(str(error))
        os._exit(error.exit_code)
    except KeyboardInterrupt:
        os._exit(Interrupted.exit_code)


def _on_sigterm(number: int, frame: object) -> None:
    raise Interrupted("SIGTERM")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _on_sigterm)
    main()
