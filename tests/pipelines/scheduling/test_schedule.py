"""A service of rounds: every slot is accounted for, whatever happens to the service and to its rounds."""

from __future__ import annotations

import json
import os
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from pipelines.scheduling.round_process import LOGS_KEPT, born_of, end_leftover, end_of
from pipelines.scheduling.service import holder_of
from pipelines.scheduling.slots import KEPT, Slot, SlotBook, read_slots
from tests.pipelines import commands
from tests.pipelines.scheduling.scheduled import Scheduled, is_alive, kill, overlaps, stop, wait_until

HOUR = timedelta(hours=1)
PAST = datetime(2026, 1, 1, tzinfo=UTC)


def noted(workspace: Path, *, timetable: str, following: datetime) -> None:
    folder = workspace / "schedule"
    folder.mkdir(parents=True)
    (folder / "next.json").write_text(json.dumps({"timetable": timetable, "next": following.isoformat()}))


def test_a_round_runs_at_every_slot_and_its_end_is_kept(tmp_path: Path) -> None:
    scheduled = Scheduled(tmp_path / "W", every_s=0.5)
    service = scheduled.start()
    wait_until(lambda: len(scheduled.ended()) >= 3)
    assert holder_of(scheduled.workspace) == service.pid
    said = stop(service).stderr
    slots = scheduled.ended()
    assert scheduled.has_no_gap()
    first = slots[0]
    assert (first.outcome, first.exit_code, first.sentence, first.round, first.report) == (
        "kept",
        0,
        "No gain.",
        3,
        "r.html",
    )
    assert 0 <= (first.started - first.due).total_seconds() < 5
    assert "a warning" in (scheduled.workspace / str(first.log)).read_text()
    assert f"{first.due:%Y-%m-%d %H:%M:%S} UTC: kept after 0 s: No gain." in said
    assert holder_of(scheduled.workspace) is None


def test_slots_that_come_during_a_round_are_skipped_and_noted(tmp_path: Path) -> None:
    scheduled = Scheduled(tmp_path / "W", every_s=0.5, plan={"seconds": 1.3})
    service = scheduled.start()
    wait_until(lambda: len(scheduled.ended()) >= 2)
    stop(service)
    slots = scheduled.slots()
    skipped = [slot for slot in slots if slot.outcome == "skipped"]
    assert len(skipped) >= 3
    assert "was at work" in skipped[0].sentence
    assert scheduled.has_no_gap()
    assert overlaps(scheduled.notes()) == 0


def test_a_round_dies_with_its_killed_service_and_is_run_again(tmp_path: Path) -> None:
    scheduled = Scheduled(tmp_path / "W", every_s=0.3, plan={"seconds": 600})
    service = scheduled.start()
    wait_until(lambda: scheduled.begun() and scheduled.slots()[0].pid)
    kill(service)
    wait_until(lambda: not is_alive(scheduled.begun()[0]))
    assert scheduled.slots()[0].outcome == "at work"

    scheduled.plan = {}
    service = scheduled.start()
    wait_until(scheduled.ended)
    assert "it is run again" in stop(service).stderr
    lost, *others = scheduled.slots()
    assert lost.outcome == "lost"
    again = next(slot for slot in others if slot.outcome == "kept")
    assert again.due == lost.due
    assert again.stood_for >= 1
    assert overlaps([note for note in scheduled.notes() if note[1] != scheduled.begun()[0]]) == 0


def test_a_killed_service_starts_its_round_anew_only_when_the_old_one_is_gone(tmp_path: Path) -> None:
    scheduled = Scheduled(tmp_path / "W", every_s=0.3, plan={"seconds": 600, "is_deaf": True}, patience_s=0.5)
    service = scheduled.start()
    wait_until(lambda: scheduled.begun() and scheduled.slots()[0].pid)
    (deaf,) = scheduled.begun()
    kill(service)
    assert is_alive(deaf)
    scheduled.plan = {}
    service = scheduled.start()
    wait_until(scheduled.ended)
    assert not is_alive(deaf)
    stop(service)


def test_no_slot_is_forgotten_however_often_the_service_is_killed(tmp_path: Path) -> None:
    scheduled = Scheduled(tmp_path / "W", every_s=0.3, plan={"seconds": 0.2})
    rng = np.random.default_rng(7)
    for _ in range(4):
        service = scheduled.start()
        time.sleep(rng.uniform(0.5, 1.2))
        kill(service)
    known = len(scheduled.ended())
    service = scheduled.start()
    wait_until(lambda: len(scheduled.ended()) > known)
    stop(service)
    dues = {slot.due for slot in scheduled.slots() if slot.outcome == "lost"}
    run_again = [slot for slot in scheduled.slots() if slot.outcome not in {"lost", "interrupted"}]
    done = {slot.due for slot in run_again}
    owed = [slot for slot in scheduled.slots() if slot.outcome == "interrupted" and slot.due not in done]
    assert len(owed) <= 1  # the round that the stop met, for the next start
    # a slot that was skipped during a round that was then lost is also one of those that the round stands for again
    assert scheduled.covers_all([*run_again, *owed])
    assert dues <= {slot.due for slot in run_again}


def test_three_days_of_downtime_become_one_round(tmp_path: Path) -> None:
    scheduled = Scheduled(tmp_path / "W", every_s=60)
    noted(scheduled.workspace, timetable="often", following=datetime.now(UTC) - 72 * HOUR)
    service = scheduled.start()
    wait_until(scheduled.ended)
    time.sleep(0.5)
    said = stop(service).stderr
    (slot,) = scheduled.slots()
    assert slot.stood_for == 72 * 60 + 1
    assert "one round for 4321 slots" in said
    assert len(scheduled.begun()) == 1


def test_another_timetable_begins_anew(tmp_path: Path) -> None:
    scheduled = Scheduled(tmp_path / "W", every_s=3600, told="hourly")
    noted(scheduled.workspace, timetable="often", following=datetime.now(UTC) - 72 * HOUR)
    service = scheduled.start()
    path = scheduled.workspace / "schedule" / "next.json"
    wait_until(lambda: json.loads(path.read_text())["timetable"] == "hourly")
    stop(service)
    ahead = datetime.fromisoformat(json.loads(path.read_text())["next"]) - datetime.now(UTC)
    assert timedelta(minutes=59) < ahead <= HOUR
    assert scheduled.slots() == []


def test_a_clock_that_was_put_back_does_not_stop_the_rounds(tmp_path: Path) -> None:
    scheduled = Scheduled(tmp_path / "W", every_s=0.3)
    noted(scheduled.workspace, timetable="often", following=datetime.now(UTC) + 1000 * HOUR)
    service = scheduled.start()
    wait_until(scheduled.ended)
    stop(service)


def test_a_second_service_is_refused_at_once(tmp_path: Path) -> None:
    scheduled = Scheduled(tmp_path / "W", every_s=3600)
    service = scheduled.start()
    wait_until(lambda: holder_of(scheduled.workspace))
    second = commands.finish(scheduled.start())
    assert second.returncode == 5
    assert f"a schedule runs here already: process {service.pid}" in second.stderr
    stop(service)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_service_interrupts_its_round_which_is_run_again(tmp_path: Path, number: int) -> None:
    scheduled = Scheduled(tmp_path / "W", every_s=0.3, plan={"seconds": 600})
    service = scheduled.start()
    wait_until(scheduled.begun)
    service.send_signal(number)
    done = commands.finish(service, timeout_s=30)
    assert done.returncode == 130
    assert [word for word, *_ in scheduled.notes()] == ["begin", "stopped"]
    (slot, *_) = scheduled.slots()
    assert slot.outcome == "interrupted"
    scheduled.plan = {}
    service = scheduled.start()
    wait_until(scheduled.ended)
    stop(service)
    assert scheduled.ended()[0].due == slot.due


def test_a_stop_is_heard_while_a_round_is_being_started(tmp_path: Path) -> None:
    scheduled = Scheduled(tmp_path / "W", every_s=0.3, plan={"seconds": 600, "is_stopped_at_fork": True})
    done = commands.finish(scheduled.start(), timeout_s=30)
    assert done.returncode == 130
    assert scheduled.slots()[0].outcome == "interrupted"


def test_a_round_that_does_not_hear_is_killed(tmp_path: Path) -> None:
    scheduled = Scheduled(tmp_path / "W", every_s=0.3, plan={"seconds": 600, "is_deaf": True}, patience_s=0.3)
    service = scheduled.start()
    wait_until(scheduled.begun)
    stop(service)
    assert not is_alive(scheduled.begun()[0])


@pytest.mark.parametrize(
    ("code", "said", "outcome", "sentence"),
    [
        (0, '{"outcome": "kept", "sentence": "No gain."}', "kept", "No gain."),
        (3, 'torn {\n{\n  "outcome": "promoted"\n}\nExiting\n', "promoted", ""),
        (0, '{"command": "stats", "summary": "7 samples"}', "done", "7 samples"),
        (4, '{"error": "the test set was changed", "exit_code": 4}', "failed", "the test set was changed"),
        (5, '{"error": "another round is at work: process 1"}', "skipped", "another round is at work: process 1"),
        (5, '{"error": "the disk is full", "where": "W/x"}', "failed", "W/x: the disk is full"),
        (130, '{"error": "interrupted"}', "interrupted", "interrupted"),
        (4, '{"error": "\\u001b[31m\\nred"}', "failed", "\\x1b[31m\\nred"),
        (-signal.SIGKILL, "", "failed", "killed by SIGKILL"),
    ],
)
def test_what_a_round_says_is_read_from_its_log(
    tmp_path: Path, code: int, said: str, outcome: str, sentence: str
) -> None:
    log = tmp_path / "round.log"
    log.write_text(f"curate: warning: a thing\n{said}")
    end = end_of(code, log=log)
    assert (end.exit_code, end.outcome, end.sentence) == (code, outcome, sentence)


def test_a_round_that_says_nothing_names_its_log(tmp_path: Path) -> None:
    assert str(tmp_path / "none.log") in end_of(70, log=tmp_path / "none.log").sentence


def test_a_killed_round_is_told_of_and_the_service_goes_on(tmp_path: Path) -> None:
    scheduled = Scheduled(tmp_path / "W", every_s=0.3, plan={"signal": signal.SIGKILL})
    service = scheduled.start()
    wait_until(lambda: len(scheduled.ended()) >= 2)
    assert "killed: killed by SIGKILL" in stop(service).stderr
    assert scheduled.ended()[0].exit_code == -signal.SIGKILL


def test_what_a_round_leaves_behind_is_ended(tmp_path: Path) -> None:
    scheduled = Scheduled(tmp_path / "W", every_s=0.5, plan={"leaves": True})
    service = scheduled.start()
    wait_until(scheduled.ended)
    left = next(process for word, process, _ in scheduled.notes() if word == "left")
    wait_until(lambda: not is_alive(left))
    stop(service)


def test_the_last_logs_are_kept(tmp_path: Path) -> None:
    scheduled = Scheduled(tmp_path / "W", every_s=0.5)
    folder = scheduled.workspace / "schedule"
    folder.mkdir(parents=True)
    for number in range(70):
        (folder / f"round-20200101T0000{number:02d}.log").write_text("old")
    service = scheduled.start()
    wait_until(lambda: len(scheduled.ended()) >= 2)
    stop(service)
    logs = sorted(path.name for path in folder.glob("round-*"))
    assert len(logs) <= LOGS_KEPT
    assert "round-20200101T000069.log" in logs


def test_new_labels_begin_a_round_once(tmp_path: Path) -> None:
    scheduled = Scheduled(tmp_path / "W", every_s=0, told="", labels=2)
    scheduled.workspace.mkdir()
    service = scheduled.start()
    for answer in ("away", "no number", f"{time.time()}"):
        scheduled.answer(answer)
    assert scheduled.slots() == []
    scheduled.answer(f"{time.time()} {time.time()} {time.time()}")
    wait_until(scheduled.ended)
    scheduled.answer((scheduled.workspace / "labels").read_text())
    said = stop(service).stderr
    assert [slot.why for slot in scheduled.slots()] == ["3 new labels"]
    assert said.count("new labels cannot be counted: nobody answers") == 1
    assert said.count("new labels cannot be counted: the answer makes no sense (ValueError)") == 1


def test_slots_that_cannot_be_written_are_told_and_made_up_for(tmp_path: Path) -> None:
    told: list[str] = []
    book = SlotBook(tmp_path, tell=told.append)
    (tmp_path / "slots.jsonl").mkdir()
    slot = Slot(due=PAST, started=PAST)
    book.add(slot)
    assert "cannot write" in told[0]
    (tmp_path / "slots.jsonl").rmdir()
    book.change(slot, outcome="kept", exit_code=0)
    assert [one.outcome for one in read_slots(tmp_path)] == ["kept"]


def test_the_book_of_slots_is_bounded_and_bears_damage(tmp_path: Path) -> None:
    book = SlotBook(tmp_path, tell=pytest.fail)
    (tmp_path / "slots.jsonl").write_bytes(
        b"".join(b'{"due":"2026-01-01T00:00:00Z","started":"2026-01-01T00:00:00Z"}\n' for _ in range(KEPT)) + b"\xff{\n"
    )
    book = SlotBook(tmp_path, tell=pytest.fail)
    book.add(Slot(due=PAST, started=PAST + HOUR, outcome="lost"))
    assert len(read_slots(tmp_path)) == KEPT
    owed = book.unfinished()
    assert owed is not None and owed.outcome == "lost"


def test_a_process_that_took_the_number_of_a_lost_round_is_left_alone() -> None:
    born = born_of(os.getpid())
    assert born is not None
    end_leftover(os.getpid(), born=born - 1, patience_s=0)
    assert born_of(2**22 + 1) is None
