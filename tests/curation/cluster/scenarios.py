"""What the driver of a cluster does in the tests: each in a process of its own."""

from __future__ import annotations

import time
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curation.building.engine import Job
from curation.building.local_engine import LOCAL
from curation.cluster.ray_engine import RayEngine
from curation.errors import EnvironmentProblem, InputRefused
from curation.storage.claimed_folder import lock_file
from curation.storage.lock import exclusive
from tests.curation.building.test_engine import job
from tests.curation.cluster.node_work import open_naming_gpu, open_writing

LIMIT_BYTES = 200_000_000
"""Of a file on a machine whose disk is full: more than Ray's own files have, less than the work writes."""


def gives_what_the_local_engine_gives(folder: Path) -> None:
    (folder / "here").mkdir()
    (folder / "there").mkdir()
    told: list[str] = []
    items: list[Any] = ["wait", *range(12), "die", *range(12, 16), "die once", 17]
    here = list(LOCAL.run(job(folder / "here", workers=1, chunk=3, keeps_order=True), items))
    with closing(RayEngine(tell=told.append)) as engine:
        assert list(engine.run(job(folder / "there", workers=1, chunk=3, keeps_order=True), items)) == here
        assert dict(engine.run(job(folder / "there", workers=1, chunk=3), items[:13])) == dict(here[:13])
        assert list(engine.run(job(folder / "there", workers=1), [])) == []
        _raises_what_the_work_raises(engine, folder=folder / "there")
        _lays_large_results_down_and_leaves_nothing(engine, folder=folder / "there")
        found = engine.survey()
    assert (len(found.machines), found.unfit, found.is_open) == (2, [], False)
    assert any("InputRefused: refused" in line for line in told), told


def _raises_what_the_work_raises(engine: RayEngine, *, folder: Path) -> None:
    """With a folder that is held, what the shard printed is told."""
    with exclusive(lock_file(folder)):
        asked = job(folder, workers=0, keeps_order=True, folder=folder)
        results = engine.run(asked, [1, 2, "refuse", 3, 4, 5, 6])
        assert [result for _, result in islice(results, 2)] == [1, 2]
        with pytest.raises(InputRefused, match="refused"):
            next(results)


def _lays_large_results_down_and_leaves_nothing(engine: RayEngine, *, folder: Path) -> None:
    arrays = [np.full(3 << 20, number, np.uint8) for number in range(8)]
    with exclusive(lock_file(folder)):
        for place, result in engine.run(job(folder, workers=1, folder=folder), arrays):
            np.testing.assert_array_equal(result, arrays[place])
        with closing(engine.run(job(folder, workers=1, folder=folder, keeps_order=True), list(range(40)))) as some:
            assert next(some) == (0, 0)
            assert len(list(lock_file(folder).parent.iterdir())) == 2
        assert [one.name for one in lock_file(folder).parent.iterdir()] == ["lock"]


def works_where_a_gpu_is() -> None:
    """Ray tells the processes of a shard which GPU is theirs, and tells others that none is."""
    asked: Job[int, str] = Job(open=open_naming_gpu, workers=1, first_s=30.0, needs_gpu=True)
    with closing(RayEngine()) as engine:
        assert {result for _, result in engine.run(asked, list(range(12)))} == {"0"}


def refuses_another_code(data: Path) -> None:
    """One machine has other code: the job is refused, and both states are named."""
    asked: Job[int, int] = Job(open=open_writing(data, bytes_=LIMIT_BYTES + 1), workers=0, first_s=30.0, folder=data)
    with closing(RayEngine()) as engine:
        with exclusive(lock_file(data)), pytest.raises(EnvironmentProblem, match=r"the code of curate is \w+ here and"):
            list(engine.run(asked, [1]))
        unfit = engine.survey().unfit
    assert [": it has other programs: the code of curate" in line for line in unfit] == [True], unfit


def works_around_the_unfit(data: Path) -> None:
    """One machine does not see the data, and the disk of one is full: others do the work, and both are named."""
    asked: Job[int, int] = Job(open=open_writing(data, bytes_=LIMIT_BYTES + 1), workers=0, first_s=30.0, folder=data)
    told: list[str] = []
    items = list(range(60))
    with closing(RayEngine(tell=told.append)) as engine:
        deadline = time.monotonic() + 120
        while len(engine.survey().machines) > 4:  # one was killed, and that is not known at once
            assert time.monotonic() < deadline
            time.sleep(1.0)
        with exclusive(lock_file(data)):
            results = list(engine.run(asked, items))
    assert sorted(results) == [(item, item) for item in items]
    assert sorted(int(file.name) for file in data.iterdir() if file.name.isdecimal()) == items
    assert any("does not see" in line and str(data) in line for line in told), told
    assert any("gets no work" in line and "files may not be so large here" in line for line in told), told
