"""A shard on one machine, without a cluster: what it lays down, when, and that it ends with its job."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from curation.building.engine import Job, Lost
from curation.cluster.shard_work import Order, end_of, work_on
from curation.cluster.spool import Parcel, close_spool, open_spool, places_in, put, read_soon, results_in
from curation.errors import EnvironmentProblem, InputRefused
from curation.storage.claimed_folder import lock_file
from curation.storage.lock import exclusive
from tests.curation.building.test_engine import job, opened


@contextmanager
def order_of(asked: Job[Any, Any], items: list[Any], *, folder: Path | None, first: int = 100) -> Iterator[Order]:
    if folder is None:
        yield _order(asked, items, spool=None, first=first)
        return
    with exclusive(lock_file(folder)):
        spool = open_spool(Job(open=opened, workers=1, first_s=1.0, folder=folder))
        yield _order(asked, items, spool=spool, first=first)
        close_spool(spool)
    assert list(folder.iterdir()) == []


def _order(asked: Job[Any, Any], items: list[Any], *, spool: Path | None, first: int) -> Order:
    sent, parcel = put(pickle.dumps(asked), spool=spool), put(pickle.dumps(items), spool=spool)
    places = range(first, first + len(items))
    return Order(
        name="a", job=sent, items=parcel, places=places, workers=asked.workers, spool=spool, cwd=str(Path.cwd())
    )


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    (tmp_path / "notes").mkdir()
    return tmp_path / "notes"


@pytest.mark.parametrize("with_spool", [True, False])
def test_results_are_those_of_the_local_engine_at_their_places_in_the_whole_job(
    with_spool: bool, notes: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    items = ["a", 1, "die", 2]
    folder = tmp_path / "out" if with_spool else None
    with order_of(job(notes, workers=1), items, folder=folder) as order:
        done = work_on(order)
        assert done.error is None
        blocks = [read_soon(order.block(number)) for number in range(done.blocks)] + list(done.held)
        assert bool(done.held) is not with_spool
    found = {place: result for block in blocks for place, result in results_in(block)}
    assert sorted(place for block in blocks for place in places_in(block)) == [100, 101, 102, 103]
    assert [found[100], found[101], found[103]] == ["a", 1, 2]
    assert found[102] == Lost(reason="the worker process died with exit code -9")


def test_what_refuses_comes_back_with_what_was_done_before_it_and_with_a_log(notes: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with order_of(job(notes, workers=0), ["a", "refuse", "b"], folder=tmp_path / "out") as order:
        done = work_on(order)
        assert isinstance(done.error, InputRefused)
        assert [one for number in range(done.blocks) for one in results_in(read_soon(order.block(number)))] == [
            (100, "a")
        ]
        assert "InputRefused: refused" in end_of(order.log)


def test_a_shard_ends_when_its_job_is_over(notes: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with order_of(job(notes, workers=0), ["a"], folder=tmp_path / "out") as order:
        ending = partial(ends_the_job, spool=str(order.spool))
        asked = Job(open=partial(giving, work=ending), workers=0, first_s=30.0)
        held = Order(
            name="b", job=put(pickle.dumps(asked), spool=None), items=put(pickle.dumps([1, 2]), spool=None),
            places=[0, 1], workers=0, spool=order.spool, cwd=order.cwd,
        )  # fmt: skip
        assert isinstance(work_on(held).error, EnvironmentProblem)


def test_bytes_that_changed_on_their_way_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"other")
    with pytest.raises(EnvironmentProblem, match="the file changed"):
        Parcel(sha256="0" * 64, file=tmp_path / "a").read()


def giving(threads: int, *, work: Any) -> Any:
    return work


def ends_the_job(chunk: list[int], *, spool: str) -> Iterator[int]:
    close_spool(Path(spool))
    yield from chunk
