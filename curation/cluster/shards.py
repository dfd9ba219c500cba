"""How the items of a job are cut into shards, and how many processes a shard has on its machine."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from typing import Any, Final

from curation.building.engine import Job
from curation.errors import ConfigurationProblem

ROWS: Final = "CURATE_SHARD_ROWS"
"""The environment variable that sets the rows of a shard, for tests and for items that take minutes each."""
LEAST_ROWS: Final = 2_000
MOST_ROWS: Final = 10_000
"""A shard has fewer rows only where there are fewer; more would make a lost machine cost more than it must."""
LANES: Final = 2
"""Shards that a machine has in hand: while the processes of one start or end, those of the other work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A machine of the cluster, as it tells what it has; `name` is what a person knows it by."""

    id: str
    name: str
    cpus: float
    gpus: float = 0.0


def cut(items: int, *, nodes: int) -> list[range]:
    """Return the places of each shard, in order, for a cluster of so many machines.

    >>> [len(shard) for shard in cut(5_000, nodes=1)]
    [2500, 2500]
    >>> [len(shard) for shard in cut(100_000, nodes=3)][:2], len(cut(100_000, nodes=3)), cut(0, nodes=3)
    ([8333, 8333], 12, [])
    """
    if not items:
        return []
    number = _number_of_shards(items, lanes=LANES * max(1, nodes))
    bounds = [items * shard // number for shard in range(number + 1)]
    return [range(start, stop) for start, stop in itertools.pairwise(bounds)]


def _number_of_shards(items: int, *, lanes: int) -> int:
    """Return a multiple of the lanes, so that all end at about the same time, unless shards would be too small."""
    if rows := _told_rows():
        return -(-items // rows)
    least = -(-items // MOST_ROWS)
    if least > lanes:
        return -(-least // lanes) * lanes
    return max(least, min(lanes, items // LEAST_ROWS), 1)


def _told_rows() -> int:
    text = os.environ.get(ROWS, "")
    if text and (not text.isdecimal() or int(text) == 0):
        raise ConfigurationProblem(f"{ROWS} is {text!r}", remedy="give a number of rows, or unset it")
    return int(text or 0)


def processes(job: Job[Any, Any], *, node: Node, lanes: int) -> int:
    """Return the number of processes of one of `lanes` shards on a machine.

    As many as that has processors, unless fewer are asked for than this machine would take by itself.
    """
    if job.workers == 0:
        return 0
    here = len(os.sched_getaffinity(0))
    wanted = int(node.cpus) if job.workers == here else min(job.workers, int(node.cpus))
    return max(1, wanted // lanes)
