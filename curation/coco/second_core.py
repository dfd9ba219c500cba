"""A second process that shares the planning of large files, so that both cores of a small machine are used."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, TypeVar

from curation.worker_process import prepare_worker

LARGE_FILE_BYTES: Final = 64_000_000
"""Below this the start of a process takes longer than it saves."""

Result = TypeVar("Result")


@contextmanager
def second_core(files: Sequence[Path]) -> Iterator[Executor]:
    """Give an executor: one more process when the files are large, else this process, at once."""
    size = sum(file.stat().st_size for file in files if file.is_file())
    if size < LARGE_FILE_BYTES or len(os.sched_getaffinity(0)) < 2:
        yield HERE
        return
    with ProcessPoolExecutor(
        1, mp_context=get_context(_start_method()), initializer=prepare_worker, initargs=(os.getpid(),)
    ) as executor:
        yield executor


def _start_method() -> str:
    # a copy of this process is ready at once, a new one imports everything again; but a copy keeps for ever what
    # another thread has locked
    is_alone = len(list(Path("/proc/self/task").iterdir())) == 1
    return "fork" if is_alone else "spawn"


class ThisProcess(Executor):
    """Does what is submitted at once; an exception comes out of `result`, as from a process."""

    def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
        """Do the work now."""
        future: Future[Result] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


HERE: Final = ThisProcess()
"""For files that are not worth a second process."""
