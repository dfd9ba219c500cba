"""What is under way, on stderr: a line where something begins, and on a terminal a bar with rate and time left."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Final

from tqdm import tqdm

from pipelines.command_line.options import RunOptions

RANK: Final = "LOCAL_RANK"
"""Of the processes that train together on a machine, the first has 0 here, and shows the bar."""


def tell(line: str, *, run: RunOptions) -> None:
    """Say on stderr what begins, in a command that does several things one after the other, or that stays up."""
    if not run.quiet:
        with suppress(OSError):  # a service outlives who listens to it
            sys.stderr.write(f"curate: {line}\n")
            sys.stderr.flush()


@contextmanager
def progress_bar(name: str, *, total: int, run: RunOptions, unit: str = "img") -> Iterator[Callable[..., None]]:
    """Show a bar while the block runs; it yields the function to call with the number done and the counts by kind."""
    is_follower = os.environ.get(RANK, "0") not in ("", "0")
    is_hidden = run.quiet or is_follower or not sys.stderr.isatty()
    with tqdm(total=total, desc=name, unit=unit, disable=is_hidden, dynamic_ncols=True) as bar:

        def show(done: int, kinds: Mapping[str, int] | None = None) -> None:
            bar.update(done - bar.n)
            bar.set_postfix(kinds, refresh=False)

        yield show


@contextmanager
def progress_bars(*, run: RunOptions) -> Iterator[Callable[..., None]]:
    """Show one bar after the other while the block runs, each from its first call on.

    It yields the function to call with the name of what is under way, the number done, their total, and their unit.
    """
    shows: dict[str, Callable[..., None]] = {}
    with ExitStack() as stack:

        def show(name: str, done: int, *, total: int, unit: str = "img") -> None:
            if name not in shows:
                stack.close()
                shows[name] = stack.enter_context(progress_bar(name, total=total, run=run, unit=unit))
            shows[name](done)

        yield show
