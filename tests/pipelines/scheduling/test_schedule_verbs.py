"""`curate schedule` and `curate schedule status`, and what they ask Label Studio."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from curation.errors import ConfigurationProblem
from labeling.label_tools.label_studio.pull.status import submitted_since
from pipelines.command_line.options import RunOptions
from pipelines.loop.config import read_loop_config
from pipelines.scheduling.schedule import ScheduleFlags, _labels_of, command_of_round, schedule, workspace_of
from pipelines.scheduling.slots import Slot, SlotBook
from pipelines.scheduling.status import ScheduleStatusFlags, status
from tests.labeling.label_tools.label_studio.drawn import SIZE, client_of
from tests.labeling.label_tools.label_studio.fake_server import TOKEN, FakeServer, running
from tests.labeling.label_tools.label_studio.rounds import Round
from tests.pipelines.commands import run
from tests.pipelines.scheduling.scheduled import Scheduled, stop, wait_until

DATA = "data:\n  train: [a]\n  test:\n  - data: b\n"
QUIET = RunOptions(quiet=True)


def loop(folder: Path, text: str) -> Path:
    path = folder / "loop.yaml"
    path.write_text(DATA + text)
    return path


def test_a_dry_run_names_the_next_slots_and_writes_nothing(tmp_path: Path) -> None:
    path = loop(tmp_path, "schedule: {cron: '0 3 * * 1', new_labels: 50}\nlabel: {project: drawn}\n")
    result = schedule(ScheduleFlags(config=path), run=RunOptions(dry_run=True))
    moments = [datetime.fromisoformat(slot) for slot in result.data["slots"]]
    assert {(moment.weekday(), moment.hour, moment.minute) for moment in moments} == {(0, 3, 0)}
    assert "when 50 new labels are in" in result.summary
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "the section schedule names no time"),
        ("schedule: {new_labels: 5}\n", "schedule.new_labels is given, and label.project is not"),
    ],
)
def test_a_schedule_that_can_do_nothing_is_refused(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigurationProblem, match=named):
        schedule(ScheduleFlags(config=loop(tmp_path, text)), run=QUIET)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("cron: '0 25 * * *'", "cron must have, as hour"),
        ("timezone: Mars/Base", "timezone must be the name of a time zone"),
        ("every: 99999 weeks", "every must be 3660 days at most"),
        ("cron: ''", "cron must have five fields"),
    ],
)
def test_a_bad_calendar_is_refused_with_its_line(tmp_path: Path, line: str, named: str) -> None:
    with pytest.raises(ConfigurationProblem, match=named) as told:
        read_loop_config(loop(tmp_path, f"schedule:\n  {line}\n"))
    assert told.value.where.endswith("line 6")


def test_the_command_of_a_round_works_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pipelines.py").write_text("raise SystemExit('the wrong module')")
    loop(tmp_path, "")
    monkeypatch.chdir(tmp_path)
    command = command_of_round(Path("loop.yaml"), run=RunOptions(workers=1, device="cpu"))
    assert command[-9:] == (
        *("retrain", "--config", str(tmp_path / "loop.yaml")),
        *("--workers", "1", "--device", "cpu", "--json", "--quiet"),
    )


def test_status_before_any_service(tmp_path: Path) -> None:
    path = loop(tmp_path, "schedule: {every: 12 hours}\n")
    result = status(ScheduleStatusFlags(config=path), run=QUIET)
    assert (result.data["pid"], result.data["next"], result.data["slots"]) == (None, None, [])
    assert "no service runs: every 12 hours (UTC)" in result.summary


def test_status_tells_what_is_owed(tmp_path: Path) -> None:
    path = loop(tmp_path, "schedule: {every: 12 hours}\n")
    workspace = workspace_of(path, config=read_loop_config(path))
    (workspace / "schedule").mkdir(parents=True)
    due = datetime.now(UTC) - timedelta(hours=30)
    (workspace / "schedule" / "next.json").write_text(
        json.dumps({"timetable": "every 12 hours (UTC)", "next": due.isoformat()})
    )
    book = SlotBook(workspace, tell=pytest.fail)
    for hours in range(12, 0, -1):
        begun = due - timedelta(hours=12 * hours)
        book.add(Slot(due=begun, started=begun, outcome="kept", exit_code=0, seconds=60.0, sentence="No gain."))
    book.add(Slot(due=due, started=due, stood_for=7))
    result = status(ScheduleStatusFlags(config=path), run=QUIET)
    assert "3 slots came since" in result.summary
    assert "is at work; one round at the next start" in result.summary
    assert result.summary.count("kept") == 9
    assert "for 7 slots" in result.summary
    assert len(result.data["slots"]) == 10


def test_status_tells_that_the_file_was_changed(tmp_path: Path) -> None:
    path = loop(tmp_path, "schedule: {every: 12 hours}\n")
    folder = tmp_path / "loop" / "schedule"
    folder.mkdir(parents=True)
    (folder / "next.json").write_text(json.dumps({"timetable": "every 1 day (UTC)", "next": "2026-01-01T00:00:00Z"}))
    result = status(ScheduleStatusFlags(config=path), run=QUIET)
    assert "not the one that was started, every 1 day (UTC)" in result.summary
    assert result.data["next"] is None


def test_status_names_the_service_that_is_at_work(tmp_path: Path) -> None:
    path = loop(tmp_path, "schedule: {every: 12 hours}\nworkspace: W\n")
    scheduled = Scheduled(tmp_path / "W", every_s=12 * 3600, told="every 12 hours (UTC)")
    service = scheduled.start()
    wait_until((scheduled.workspace / "schedule" / "next.json").exists)
    done = run("schedule", "status", "--config", path, "--json")
    stop(service)
    told = json.loads(done.stdout)
    assert told["pid"] == service.pid
    assert datetime.fromisoformat(told["next"]) > datetime.now(UTC)


def test_new_labels_are_those_that_were_submitted_since(tmp_path: Path) -> None:
    with running(FakeServer()) as server, client_of(server.url) as client:
        assert submitted_since(None, client=client, title="drawn") == 0  # nothing was pushed yet
        pushed = Round(tmp_path / "D", server)
        first, second, third = list(pushed.tasks)[:3]
        mask = np.full(SIZE, 255, np.uint8)
        pushed.submit(first, mask, updated_at="2030-01-01T00:00:01Z")
        pushed.submit(second, mask, updated_at="2030-01-01T00:00:03.5Z")
        pushed.submit(third, mask, was_cancelled=True, updated_at="2030-01-01T00:00:09Z")
        moment = datetime(2030, 1, 1, 0, 0, 2, tzinfo=UTC)
        assert submitted_since(None, client=client, title="drawn") == 2
        assert submitted_since(moment, client=client, title="drawn") == 1
        assert submitted_since(moment + timedelta(seconds=2), client=client, title="drawn") == 0


def test_the_schedule_asks_the_server_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = loop(tmp_path, "schedule: {new_labels: 2}\nlabel: {project: drawn}\n")
    with running(FakeServer()) as server:
        pushed = Round(tmp_path / "D", server)
        pushed.submit(next(iter(pushed.tasks)), np.full(SIZE, 255, np.uint8))
        monkeypatch.setenv("LABEL_STUDIO_URL", server.url)
        monkeypatch.setenv("LABEL_STUDIO_API_KEY", TOKEN)
        trigger = _labels_of(read_loop_config(path), where=path)
        assert trigger is not None
        assert (trigger.number, trigger.ask(None)) == (2, 1)
