"""Every item comes back once, whatever becomes of the process that worked on it (faults D1, D7)."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import psutil
import pytest

from curation.building.workers import RunnerOptions, run_items, set_aside, work_name
from curation.dataset.sample import Item, Outcome
from curation.errors import EnvironmentProblem
from curation.quarantine import BadRecord, Code


def follow_payload(item: Item, folder: Path) -> Outcome:
    """Do as the payload says, and leave a note of each try."""
    with (folder / f"tries-{item.id}").open("ab") as stream:
        stream.write(b".")
    match item.payload:
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "die once" if (folder / f"tries-{item.id}").stat().st_size < 2:
            os.kill(os.getpid(), signal.SIGKILL)
        case "hang":
            ctypes.PyDLL(None).pause()  # native code that never lets Python see a signal
        case int(number):
            raise OSError(number, os.strerror(number), str(folder / item.id))
        case "broken":
            raise BadRecord(Code.TRUNCATED, "cut in half")
    return Outcome(id=item.id, filtered="done")


def work_on(payloads: Sequence[object], folder: Path, *, workers: int, timeout_s: float = 2.0) -> dict[str, Outcome]:
    items = [Item(id=str(number), payload=payload, file=f"{number}.jpg") for number, payload in enumerate(payloads)]
    options = RunnerOptions(workers=workers, item_timeout_s=timeout_s)
    outcomes = list(run_items(items, work=follow_payload, folder=folder, stage="test", options=options))
    assert len({outcome.id for outcome in outcomes}) == len(outcomes) == len(items)
    return {outcome.id: outcome for outcome in outcomes}


def tries(folder: Path, name: str) -> int:
    return (folder / f"tries-{name}").stat().st_size


def living_children() -> list[psutil.Process]:
    children = psutil.Process().children(recursive=True)
    # multiprocessing keeps one tracker of its own for the life of the parent
    return [child for child in children if "resource_tracker" not in " ".join(child.cmdline())]


def test_no_items_start_no_processes(tmp_path: Path) -> None:
    assert work_on([], tmp_path, workers=2) == {}


def test_a_death_is_blamed_on_the_item_alone_after_two_tries_of_its_own(tmp_path: Path) -> None:
    found = work_on(["good"] * 5 + ["die"] + ["good"] * 10, tmp_path, workers=2)
    assert [name for name, outcome in found.items() if outcome.broken] == ["5"]
    (record,) = found["5"].records
    assert (record.code, record.file, record.record_id) == (Code.WORKER_DIED, "5.jpg", "5")
    assert "died with exit code -9" in record.reason
    assert tries(tmp_path, "5") in {2, 3}  # two alone, and one more when it was first tried among others
    assert living_children() == []


def test_a_death_that_does_not_happen_again_is_forgiven(tmp_path: Path) -> None:
    found = work_on(["die once", "good"], tmp_path, workers=1)
    assert {outcome.filtered for outcome in found.values()} == {"done"}


def end_at_once(*_: object) -> None:
    os._exit(1)


def test_workers_that_cannot_be_started_are_a_problem_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("curation.building.processes._serve", end_at_once)
    items = [Item(id="0", payload="good")]
    options = RunnerOptions(workers=1)
    with pytest.raises(EnvironmentProblem, match="end as soon as they are started") as caught:
        list(run_items(items, work=follow_payload, folder=tmp_path, stage="test", options=options))
    assert "--workers 0" in caught.value.remedy
    assert living_children() == []


def test_native_code_that_hangs_is_ended(tmp_path: Path) -> None:
    found = work_on(["good", "hang"], tmp_path, workers=1, timeout_s=0.5)
    (record,) = found["1"].records
    assert record.code == Code.WORKER_DIED
    assert "no result" in record.reason
    assert living_children() == []


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(
    ("number", "said"),
    [(errno.ENOSPC, "the disk is full"), (errno.EIO, "input/output error"), (errno.EROFS, "read-only")],
)
def test_what_the_machine_refuses_stops_the_run_and_names_the_path(
    tmp_path: Path, workers: int, number: int, said: str
) -> None:
    with pytest.raises(EnvironmentProblem, match=said) as caught:
        work_on(["good", number, "good"], tmp_path, workers=workers)
    assert caught.value.where == str(tmp_path / "1")
    assert living_children() == []


def test_another_error_of_the_system_is_a_fault_of_the_item(tmp_path: Path) -> None:
    found = work_on(["good", errno.EISDIR, "good"], tmp_path, workers=0)
    assert found["1"].broken == Code.UNEXPECTED
    assert found["2"].filtered == "done"


def test_closing_the_outcomes_ends_all_work_at_once(tmp_path: Path) -> None:
    items = [Item(id=str(number), payload=payload) for number, payload in enumerate(["good", "hang"])]
    options = RunnerOptions(workers=1, item_timeout_s=60.0)
    outcomes = run_items(items, work=follow_payload, folder=tmp_path, stage="test", options=options)
    assert next(outcomes).id == "0"
    while len(list(tmp_path.glob("tries-*"))) < 2:
        time.sleep(0.01)
    started = time.monotonic()
    outcomes.close()
    assert time.monotonic() - started < 2.0
    assert living_children() == []


def test_an_item_that_is_set_aside_keeps_what_the_raiser_knew_and_gets_the_rest() -> None:
    item = Item(id="7", payload=None, file="7.jpg")
    (known,) = set_aside(BadRecord(Code.MODE, "odd", file="x.png", record_id="9"), item=item, stage="s").records
    (filled,) = set_aside(BadRecord(Code.MODE, "odd"), item=item, stage="s").records
    assert (known.file, known.record_id) == ("x.png", "9")
    assert (filled.file, filled.record_id, filled.stage) == ("7.jpg", "7", "s")


def test_the_name_of_work_is_seen_through_a_partial() -> None:
    assert work_name(follow_payload) == "follow_payload"
    assert work_name(partial(follow_payload)) == "follow_payload"
