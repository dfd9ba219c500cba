"""Where many items are worked on: the seam between what is to be done and the machine, or the machines, that do it.

An engine takes a `Job`, which can be pickled, and a list of items. It gives every item's result back once, or tells
that the item ended every process that took it. Whatever engine works, the results are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, Protocol, TypeAlias, TypeVar

T = TypeVar("T")
R = TypeVar("R")
Work: TypeAlias = Callable[[Sequence[T]], Iterable[R]]
"""Gives the result of each item, in their order; what it raises stops the whole job."""

WORKER_MEMORY_BYTES: Final = 8 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(Generic[T, R]):
    """What is done with every item, and within which limits.

    `open` is called once in each process, with the number of threads that are its share of the machine; what it gives
    works on up to `chunk` items at once. `workers` is the number of processes on each machine, at most `max_processes`;
    0 works in this process, without isolation. A chunk may take `first_s` seconds, and `more_s` for each further item;
    a process has `memory_bytes` of addresses. An item that ends its process alone `tries` times is lost. With
    `keeps_order` the results come in the order of the items, and few wait in memory for an earlier one.

    `folder`, where there is one, is the folder of the command that the job belongs to, which holds its lock: an engine
    of several machines leaves there what is too large to travel otherwise. A job that `needs_gpu` runs where one is.
    """

    open: Callable[[int], Work[T, R]]
    workers: int
    first_s: float
    more_s: float = 0.0
    chunk: int = 1
    memory_bytes: int = WORKER_MEMORY_BYTES
    max_processes: int = 1 << 16
    tries: int = 2
    keeps_order: bool = False
    folder: Path | None = None
    needs_gpu: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """What stands for the result of an item that ended its process, or gave nothing within its time."""

    reason: str


class Engine(Protocol):
    """Where jobs run."""

    def run(self, job: Job[T, R], items: Sequence[T]) -> Generator[tuple[int, R | Lost], None, None]:
        """Yield the place of each item in the list and its result; `close()` ends all work and leaves nothing behind.

        Raises what the work raises, after what was done before it, and EnvironmentProblem where no process starts.
        """
        ...

    def close(self) -> None:
        """Let go of the machines, once a command needs them no more."""
        ...
