"""Work over many samples: processes on this machine, one bad item never stops the run, and none disappears.

An item that crashes, hangs or exhausts its process is tried again alone and then set aside as WORKER_DIED. Outcomes
come in any order; whoever stores them sorts by id, so that the result is the same for any number of workers.
"""

from __future__ import annotations

import errno
import os
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from curation.building.engine import WORKER_MEMORY_BYTES, Engine, Job, Lost, R
from curation.building.local_engine import LOCAL
from curation.dataset.sample import Item, Outcome
from curation.errors import CurateError
from curation.quarantine import BadRecord, Code
from curation.storage.files import cannot_write

Work = Callable[[Item, Path], Outcome]

MAX_CHUNK: Final = 16
"""Items handed over at once: large enough that the hand-over is cheap, small enough to redo after a crash."""
SECONDS_PER_CHUNK_ITEM: Final = 2.0
MACHINE_ERRNOS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE})
"""What the machine refuses, not the item: it would refuse the next item as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerOptions:
    """How work is spread: `workers` processes (0: in this process, without isolation), seconds allowed for one item,
    bytes of address space for one worker, and the engine."""

    workers: int
    item_timeout_s: float = 20.0
    worker_memory_bytes: int = WORKER_MEMORY_BYTES
    engine: Engine = LOCAL


def run_items(
    items: Sequence[Item], *, work: Work, folder: Path, stage: str, options: RunnerOptions
) -> Generator[Outcome, None, None]:
    """Yield the outcome of every item, each once, in no particular order; `close()` ends the work early.

    `work` must be a module-level function, or a partial of one. Raises what stops a run, say a full disk.
    """
    job = Job(
        open=partial(_opened, work=work, folder=folder),
        workers=options.workers,
        first_s=options.item_timeout_s,
        more_s=SECONDS_PER_CHUNK_ITEM,
        chunk=max(1, min(MAX_CHUNK, len(items) // (max(1, options.workers) * 4))),
        memory_bytes=options.worker_memory_bytes,
        folder=folder,
    )
    results = options.engine.run(job, items)
    with closing(results):
        for place, result in results:
            yield died(items[place], result, stage=stage) if isinstance(result, Lost) else result


def died(item: Item, lost: Lost, *, stage: str) -> Outcome:
    """Return the outcome of an item that ended its process."""
    return set_aside(BadRecord(Code.WORKER_DIED, lost.reason), item=item, stage=stage)


def _opened(_: int, *, work: Work, folder: Path) -> Callable[[Sequence[Item]], Iterator[Outcome]]:
    return partial(each_of, work, folder)


def each_of(work: Callable[[Item, Path], R], folder: Path, chunk: Sequence[Item]) -> Iterator[R | Outcome]:
    """Yield what work on each item gives, one after the other, or how the item is broken. Raises what stops the run."""
    for item in chunk:
        try:
            yield work(item, folder)
        except BadRecord as problem:
            yield set_aside(problem, item=item, stage=work_name(work))
        except CurateError:
            raise
        except OSError as error:
            if error.errno in MACHINE_ERRNOS:
                raise cannot_write(Path(os.fsdecode(error.filename or folder)), error) from error
            yield set_aside(_unexpected(error), item=item, stage=work_name(work))
        except Exception as error:  # noqa: BLE001 - a fault of ours on one of 100,000 images must not stop the run
            yield set_aside(_unexpected(error), item=item, stage=work_name(work))


def set_aside(problem: BadRecord, *, item: Item, stage: str) -> Outcome:
    """Return the outcome of an item that is broken."""
    record = problem.record(stage=stage, file=item.file, record_id=item.id)
    return Outcome(id=item.id, broken=problem.code, records=(record,))


def work_name(work: Callable[..., object]) -> str:
    """Return the name of a work function, looking through partials."""
    inner = getattr(work, "func", work)
    return str(getattr(inner, "__name__", type(inner).__name__))


def _unexpected(error: Exception) -> BadRecord:
    if isinstance(error, MemoryError):
        return BadRecord(Code.WORKER_DIED, "the worker ran out of memory")
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    return BadRecord(Code.UNEXPECTED, f"{type(error).__name__} at {place}: {error}")
