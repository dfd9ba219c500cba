"""A plan becomes a dataset: counts, order, resume, refusal and replacement."""

from __future__ import annotations

import ctypes
import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from curation.building.build_dataset import BuildOptions, build_dataset, run_id
from curation.building.workers import RunnerOptions
from curation.dataset.dataset import read_dataset, read_quarantine
from curation.dataset.query import select_rows
from curation.dataset.sample import Item, Outcome, Plan, Sample, Source
from curation.errors import EnvironmentProblem, InputRefused
from curation.quarantine import BadRecord, Code
from curation.storage.files import TEMPORARY_PREFIX
from curation.storage.lock import exclusive


def make_sample(item: Item, folder: Path) -> Outcome:
    """Do as the payload says: write a file, filter, quarantine, crash, hang, eat memory."""
    match item.payload:
        case "good":
            (folder / "images" / f"{item.id}.jpg").write_bytes(item.id.encode())
            return Outcome(id=item.id, sample=sample(item.id))
        case "small":
            return Outcome(id=item.id, filtered="too_small")
        case "broken":
            raise BadRecord(Code.TRUNCATED, "cut in half", file=f"{item.id}.jpg")
        case "abort":
            os.abort()
        case "segfault":
            ctypes.string_at(0)
        case "hang":
            time.sleep(600)
        case "eat":
            return Outcome(id=item.id, filtered=str(len(bytearray(1 << 40))))
        case "bug":
            return Outcome(id=item.id, filtered=str(1 // 0))
        case "full":
            raise EnvironmentProblem("the disk is full")
    raise AssertionError(item.payload)


def fail_unless_done(item: Item, folder: Path, *, marker: Path) -> Outcome:
    if not marker.exists():
        raise EnvironmentProblem("the disk is full")
    return make_sample(item, folder)


def be_half_way_when_the_other_fails(item: Item, folder: Path) -> Outcome:
    if item.payload == "half way":
        (folder / "images" / f"{TEMPORARY_PREFIX}{os.getpid()}").write_bytes(b"half")
        time.sleep(600)
    while not [*folder.rglob(f"{TEMPORARY_PREFIX}*")]:
        time.sleep(0.01)
    raise EnvironmentProblem("the disk is full")


def sample(name: str) -> Sample:
    return Sample(
        id=name,
        image=f"images/{name}.jpg",
        width=4,
        height=3,
        source="test",
        source_id=name,
        group=name,
        sha256="0" * 64,
        extra={"score": 0.5},
    )


def plan_of(payloads: list[str], *, work: Callable[[Item, Path], Outcome] = make_sample) -> Plan:
    items = [Item(id=f"{number:04d}", payload=payload) for number, payload in enumerate(payloads)]
    return Plan(
        command="test",
        settings={"payloads": payloads},
        sources=[Source(name="test", path="nowhere", fingerprint="f")],
        considered=len(items),
        items=items,
        work=work,
    )


def options(workers: int = 0, **changes: object) -> BuildOptions:
    runner = RunnerOptions(workers=workers, item_timeout_s=2.0, worker_memory_bytes=4 << 30)
    return BuildOptions(runner=runner, **changes)  # type: ignore[arg-type]


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_input_is_counted_once(tmp_path: Path) -> None:
    card = build_dataset(plan_of(["good", "small", "broken", "good"]), out=tmp_path / "D", options=options())
    assert (card.counts.considered, card.counts.selected) == (4, 2)
    assert card.counts.filtered == {"too_small": 1}
    assert card.counts.quarantined == {"TRUNCATED": 1}


def test_what_is_on_disk_can_be_read_by_other_libraries(tmp_path: Path) -> None:
    build_dataset(plan_of(["good", "broken"]), out=tmp_path / "D", options=options())
    frame = pd.read_parquet(tmp_path / "D" / "manifest.parquet")
    assert list(frame["id"]) == ["0000"]
    assert list(frame["score"]) == [0.5]
    assert json.loads((tmp_path / "D" / "dataset.json").read_text())["counts"]["quarantined"] == {"TRUNCATED": 1}
    (line,) = (tmp_path / "D" / "quarantine.jsonl").read_text().splitlines()
    assert json.loads(line)["code"] == "TRUNCATED"
    assert json.loads(line)["file"] == "0001.jpg"
    assert sorted(path.name for path in (tmp_path / "D").iterdir()) == [
        "dataset.json",
        "images",
        "manifest.parquet",
        "quarantine.jsonl",
    ]


def test_bytes_are_the_same_for_any_number_of_workers(tmp_path: Path) -> None:
    plan = plan_of(["good", "small", "broken", "good", "good"] * 8)
    for workers in (0, 1, 2):
        build_dataset(plan, out=tmp_path / str(workers) / "D", options=options(workers))
    assert tree(tmp_path / "0" / "D") == tree(tmp_path / "1" / "D") == tree(tmp_path / "2" / "D")


@pytest.mark.parametrize("fate", ["abort", "segfault", "hang", "eat"])
def test_an_item_that_takes_its_worker_down_is_set_aside_and_the_rest_goes_on(tmp_path: Path, fate: str) -> None:
    payloads = ["good"] * 20
    payloads[7] = fate
    card = build_dataset(plan_of(payloads), out=tmp_path / "D", options=options(2))
    assert card.counts.selected == 19
    assert card.counts.quarantined == {"WORKER_DIED": 1}
    (record,) = read_quarantine(tmp_path / "D")
    assert record.record_id == "0007"


def test_a_fault_of_ours_on_one_item_is_reported_and_the_rest_goes_on(tmp_path: Path) -> None:
    card = build_dataset(plan_of(["good", "bug"]), out=tmp_path / "D", options=options())
    assert card.counts.quarantined == {"UNEXPECTED": 1}
    (record,) = read_quarantine(tmp_path / "D")
    assert "ZeroDivisionError at test_build_dataset.py:" in record.reason


def test_a_stopped_run_goes_on_without_redoing_finished_items(tmp_path: Path) -> None:
    marker = tmp_path / "go"
    work = partial(fail_unless_done, marker=marker)
    with pytest.raises(EnvironmentProblem):
        build_dataset(plan_of(["good"] * 4, work=work), out=tmp_path / "D", options=options())
    with pytest.raises(InputRefused, match="unfinished"):
        read_dataset(tmp_path / "D")
    marker.touch()
    card = build_dataset(plan_of(["good"] * 4, work=work), out=tmp_path / "D", options=options())
    assert card.counts.selected == 4
    assert not (tmp_path / "D" / ".curate").exists()


def test_the_same_run_again_changes_nothing(tmp_path: Path) -> None:
    build_dataset(plan_of(["good", "broken"]), out=tmp_path / "D", options=options())
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "D").rglob("*")}
    build_dataset(plan_of(["good", "broken"]), out=tmp_path / "D", options=options())
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "D").rglob("*")}


def test_another_run_is_refused_unless_overwrite_is_given(tmp_path: Path) -> None:
    build_dataset(plan_of(["good", "good"]), out=tmp_path / "D", options=options())
    with pytest.raises(InputRefused, match="other settings"):
        build_dataset(plan_of(["good"]), out=tmp_path / "D", options=options())
    card = build_dataset(plan_of(["good"]), out=tmp_path / "D", options=options(overwrite=True))
    assert card.counts.selected == len(list((tmp_path / "D" / "images").iterdir())) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["D"]


def test_overwrite_keeps_the_old_dataset_until_the_new_one_is_whole(tmp_path: Path) -> None:
    build_dataset(plan_of(["good", "good"]), out=tmp_path / "D", options=options())
    old = tree(tmp_path / "D")
    with pytest.raises(EnvironmentProblem):
        build_dataset(plan_of(["full"]), out=tmp_path / "D", options=options(overwrite=True))
    kept = tree(tmp_path / "D.replaced")
    assert {name: kept[name] for name in old} == old


def test_a_folder_that_is_not_a_dataset_is_never_written_to(tmp_path: Path) -> None:
    (tmp_path / "D").mkdir()
    (tmp_path / "D" / "thesis.txt").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(InputRefused, match="no dataset"):
            build_dataset(plan_of(["good"]), out=tmp_path / "D", options=options(overwrite=overwrite))
    assert tree(tmp_path / "D") == {"thesis.txt": b"years of work"}


def test_too_much_quarantine_stops_the_run_and_keeps_the_work(tmp_path: Path) -> None:
    payloads = ["good"] * 5 + ["broken"] * 20
    for _ in range(2):  # broken inputs are tried again: somebody may have mended them
        with pytest.raises(InputRefused, match="11 inputs are broken, 10 are allowed") as caught:
            build_dataset(plan_of(payloads), out=tmp_path / "D", options=options())
    assert "--max-quarantine" in str(caught.value)
    assert len((tmp_path / "D" / "quarantine.jsonl").read_text().splitlines()) == 11
    card = build_dataset(plan_of(payloads), out=tmp_path / "D", options=options(max_quarantine="80%"))
    assert (card.counts.selected, card.counts.quarantined) == (5, {"TRUNCATED": 20})


def test_refused_work_that_goes_on_and_is_stopped_is_again_in_the_way_of_others(tmp_path: Path) -> None:
    payloads = ["good"] * 5 + ["broken"] * 20
    with pytest.raises(InputRefused, match="11 inputs are broken"):
        build_dataset(plan_of(payloads), out=tmp_path / "D", options=options())

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    going_on = replace(options(max_quarantine="80%"), progress=stop)
    with pytest.raises(KeyboardInterrupt):
        build_dataset(plan_of(payloads), out=tmp_path / "D", options=going_on)
    with pytest.raises(InputRefused, match="unfinished work of another command"):
        build_dataset(plan_of(["good"] * 3), out=tmp_path / "D", options=options())


def test_too_much_quarantine_in_the_plan_writes_nothing(tmp_path: Path) -> None:
    records = tuple(BadRecord(Code.NO_MASK, "no mask", file=f"{n}").record(stage="test") for n in range(11))
    plan = Plan(command="test", settings={}, sources=[], considered=11, items=[], work=make_sample, quarantined=records)
    with pytest.raises(InputRefused, match="11 inputs are broken"):
        build_dataset(plan, out=tmp_path / "D", options=options())
    assert not (tmp_path / "D").exists()


def test_a_second_run_in_the_folder_is_refused_at_once_and_names_the_holder(tmp_path: Path) -> None:
    with (
        exclusive(tmp_path / "D" / ".curate" / "lock"),
        pytest.raises(EnvironmentProblem, match=f"process {os.getpid()} on"),
    ):
        build_dataset(plan_of(["good"]), out=tmp_path / "D", options=options())


def test_the_run_id_changes_with_settings_and_sources_only() -> None:
    assert run_id(plan_of(["good"])) == run_id(plan_of(["good"]))
    assert run_id(plan_of(["good"])) != run_id(plan_of(["small"]))


def test_a_moved_dataset_still_works(tmp_path: Path) -> None:
    build_dataset(plan_of(["good"]), out=tmp_path / "D", options=options())
    (tmp_path / "D").rename(tmp_path / "elsewhere")
    dataset = read_dataset(tmp_path / "elsewhere")
    assert dataset.path(dataset.frame["image"][0]).read_bytes() == b"0000"


def test_the_conservation_law_is_asserted(tmp_path: Path) -> None:
    plan = plan_of(["good"])
    wrong = Plan(command="test", settings={}, sources=[], considered=2, items=plan.items, work=make_sample)
    with pytest.raises(AssertionError, match="2 considered, but 1 accounted for"):
        build_dataset(wrong, out=tmp_path / "D", options=options())


def test_every_flipped_byte_of_the_manifest_is_noticed(tmp_path: Path) -> None:
    build_dataset(plan_of(["good"] * 3), out=tmp_path / "D", options=options())
    manifest = tmp_path / "D" / "manifest.parquet"
    whole = manifest.read_bytes()
    for position in range(0, len(whole), 7):
        manifest.write_bytes(whole[:position] + bytes([whole[position] ^ 0x10]) + whole[position + 1 :])
        with pytest.raises(InputRefused, match="damaged"):
            read_dataset(tmp_path / "D")


@pytest.mark.parametrize("query", ["5", "score", "id", "score =", "nosuch > 1", "id == nosuch", "score = 1"])
def test_a_query_that_is_no_condition_is_refused(tmp_path: Path, query: str) -> None:
    build_dataset(plan_of(["good", "good"]), out=tmp_path / "D", options=options())
    dataset = read_dataset(tmp_path / "D")
    assert select_rows(dataset, "score > 0.4 and id == '0001'")["id"].to_pylist() == ["0001"]
    with pytest.raises(InputRefused, match="does not work"):
        select_rows(dataset, query)


def test_what_a_worker_was_writing_when_another_ended_the_run_is_deleted(tmp_path: Path) -> None:
    plan = plan_of(["half way", "fails"], work=be_half_way_when_the_other_fails)
    runner = RunnerOptions(workers=2, item_timeout_s=60.0, worker_memory_bytes=4 << 30)
    with pytest.raises(EnvironmentProblem, match="full"):
        build_dataset(plan, out=tmp_path / "D", options=BuildOptions(runner=runner))
    assert not [*(tmp_path / "D").rglob(f"{TEMPORARY_PREFIX}*")]
