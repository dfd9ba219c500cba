"""Shards: together all items, each once; none larger or smaller than it may be; as many as keep all machines busy."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.building.engine import Job
from curation.cluster.shards import LEAST_ROWS, MOST_ROWS, ROWS, Node, cut, processes
from curation.errors import ConfigurationProblem

HERE = len(os.sched_getaffinity(0))


def opened(threads: int) -> None:
    raise AssertionError("nothing is opened here")


@given(items=st.integers(0, 3_000_000), nodes=st.integers(0, 60))
def test_shards_hold_every_item_once_and_are_of_a_size_that_is_allowed(items: int, nodes: int) -> None:
    shards = cut(items, nodes=nodes)
    assert sum(map(len, shards)) == items
    assert [shard.start for shard in shards[1:]] == [shard.stop for shard in shards[:-1]]
    assert all(len(shard) <= MOST_ROWS for shard in shards)
    assert all(len(shard) >= min(items, LEAST_ROWS) for shard in shards)
    if len(shards) > 1:
        assert max(map(len, shards)) - min(map(len, shards)) <= 1


def test_each_machine_has_the_same_number_of_shards_where_there_are_many() -> None:
    assert len(cut(10_000_000, nodes=50)) == 1_000
    assert len(cut(1_000_001, nodes=50)) == 200
    assert len(cut(20_000, nodes=3)) == 6


def test_the_rows_of_a_shard_can_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ROWS, "7")
    assert [len(shard) for shard in cut(20, nodes=5)] == [6, 7, 7]
    monkeypatch.setenv(ROWS, "a few")
    with pytest.raises(ConfigurationProblem, match="CURATE_SHARD_ROWS is 'a few'"):
        cut(20, nodes=5)


@pytest.mark.parametrize(
    ("workers", "lanes", "expected"), [(HERE, 1, 16), (HERE, 2, 8), (0, 2, 0), (HERE + 2, 1, HERE + 2), (100, 2, 8)]
)
def test_a_machine_has_a_process_for_each_processor_unless_told_otherwise(
    workers: int, lanes: int, expected: int
) -> None:
    job = Job(open=opened, workers=workers, first_s=1.0)
    assert processes(job, node=Node(id="a", name="a", cpus=16.0), lanes=lanes) == expected
