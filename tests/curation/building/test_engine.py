"""What an engine keeps to, shown on the local one: every item once, in order where that is asked, whatever dies."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curation.building.engine import Job, Lost, Work
from curation.building.local_engine import LOCAL
from curation.building.processes import FITS_PIPE_BYTES
from curation.errors import InputRefused


def opened(threads: int, *, notes: Path) -> Work[Any, Any]:
    return partial(work_through, threads=threads, notes=notes)


def work_through(chunk: Sequence[Any], *, threads: int, notes: Path) -> Iterator[Any]:
    for one in chunk:
        if isinstance(one, np.ndarray):
            yield one
            continue
        if isinstance(one, str):
            with (notes / one.replace(" ", "-")).open("ab") as stream:
                stream.write(b".")
        if one == "die" or (one == "die once" and (notes / "die-once").stat().st_size == 1):
            os.kill(os.getpid(), signal.SIGKILL)
        if one == "wait":
            time.sleep(0.3)
        if one == "refuse":
            raise InputRefused("refused", remedy="none")
        yield threads if one == "threads" else one


def refuse_to_open(threads: int) -> Work[Any, Any]:
    raise InputRefused("cannot be opened", remedy="none")


def job(notes: Path, *, workers: int, **others: Any) -> Job[Any, Any]:
    return Job(**{"open": partial(opened, notes=notes), "workers": workers, "first_s": 30.0, **others})


@pytest.mark.parametrize(("workers", "chunk"), [(0, 1), (0, 3), (2, 3)])
def test_every_item_comes_back_once_and_in_order_where_that_is_asked(tmp_path: Path, workers: int, chunk: int) -> None:
    items = ["wait", *range(50)]
    asked = job(tmp_path, workers=workers, chunk=chunk, keeps_order=True)
    assert list(LOCAL.run(asked, items)) == list(enumerate(items))
    found = dict(LOCAL.run(job(tmp_path, workers=workers, chunk=chunk), items))
    assert [found[place] for place in range(51)] == items


def test_only_what_was_begun_is_tried_again_and_only_what_dies_alone_is_lost(tmp_path: Path) -> None:
    items = ["a", "b", "die", "c", "d", "die once", "e", "f", "g"]
    found = list(LOCAL.run(job(tmp_path, workers=1, chunk=3, keeps_order=True), items))
    assert [place for place, _ in found] == list(range(9))
    assert [result for place, result in found if place != 2] == [one for one in items if one != "die"]
    assert found[2][1] == Lost(reason="the worker process died with exit code -9")
    tries = {file.name: file.stat().st_size for file in tmp_path.iterdir()}
    # a and b were in the chunk that died; c and d stood before what died once in theirs
    assert tries == {"a": 2, "b": 2, "die": 3, "c": 2, "d": 2, "die-once": 2, "e": 1, "f": 1, "g": 1}


def test_results_that_wait_for_an_earlier_one_are_few(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    items = ["wait", *map(str, range(200))]
    results = LOCAL.run(job(tmp_path, workers=2, keeps_order=True), items)
    assert next(results) == (0, "wait")
    assert len([file for file in tmp_path.iterdir() if file.is_file()]) <= 1 + 4 * 2 * 2
    assert [result for _, result in results] == items[1:]


@pytest.mark.parametrize("workers", [0, 1])
def test_what_refuses_everything_comes_after_what_was_done_before_it(tmp_path: Path, workers: int) -> None:
    results = LOCAL.run(job(tmp_path, workers=workers, chunk=4), [1, 2, "refuse", 3, 4, 5])
    assert [result for _, result in islice(results, 2)] == [1, 2]
    with pytest.raises(InputRefused, match="refused"):
        next(results)
    with pytest.raises(InputRefused, match="cannot be opened"):
        list(LOCAL.run(Job(open=refuse_to_open, workers=workers, first_s=30.0), [1]))


def test_what_is_larger_than_a_pipe_travels_both_ways_at_once(tmp_path: Path) -> None:
    items = [np.full(40 * FITS_PIPE_BYTES, number, np.uint8) for number in range(6)]
    for place, result in LOCAL.run(job(tmp_path, workers=1), items):
        np.testing.assert_array_equal(result, items[place])


def test_processes_share_the_cores_and_are_no_more_than_wanted(tmp_path: Path) -> None:
    asked = job(tmp_path, workers=5, max_processes=2)
    assert [result for _, result in LOCAL.run(asked, ["threads"] * 3)] == [2, 2, 2]
    assert [result for _, result in LOCAL.run(job(tmp_path, workers=4), ["threads"])] == [4]
