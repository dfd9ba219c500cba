"""The engine of this machine: its processes, or this one alone."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Final

from curation.building.engine import Job, Lost, R, T


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """Runs jobs on this machine."""

    def run(self, job: Job[T, R], items: Sequence[T]) -> Generator[tuple[int, R | Lost], None, None]:
        """Yield the result of every item; see `Engine`."""
        if not items:
            return
        if job.workers:
            from curation.building.processes import run_in_processes  # here: many commands start no process

            yield from run_in_processes(job, items)
            return
        work = job.open(1)
        for start in range(0, len(items), job.chunk):
            yield from enumerate(work(items[start : start + job.chunk]), start)

    def close(self) -> None:
        """Nothing is kept between jobs."""


LOCAL: Final = LocalEngine()
