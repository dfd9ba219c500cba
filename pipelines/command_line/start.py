"""Where the process begins: Ctrl-C and SIGTERM end it at once for as long as there is nothing to put in order.

The fewer modules are imported here, the sooner that holds.
"""

from __future__ import annotations

import os
import resource
import signal
import sys

INTERRUPTED = 130
ENVIRONMENT = 5
LEAST_MEMORY_BYTES = 1 << 30
"""Of address space. With less, libraries that compute end the process or try for ever, and none of them says why."""
FIRST = "CURATE_FIRST_PROCESS"
"""Names the first process to those that it starts to train with it, as `models.training.processes` does."""


def main() -> None:
    """Import the command line, which takes most of the time of `--help`, and run it."""
    if FIRST in os.environ:  # one of several that train together: it dies with the first, also while it starts
        from curation.building.worker_process import die_with

        die_with(int(os.environ[FIRST]))
    _refuse_low_limit()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # a shell starts what runs in its background with Ctrl-C ignored
            signal.signal(number, _leave)
    from pipelines.command_line import cli

    for number, handler in before.items():
        signal.signal(number, handler)
    cli.main()


def _refuse_low_limit() -> None:
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY and limit < LEAST_MEMORY_BYTES:
        reason = (
            f"this process may use {limit >> 20:,} MiB of memory, and needs {LEAST_MEMORY_BYTES >> 20:,} MiB to start"
        )
        sys.stderr.write(f"curate: {reason}\n  what to do: raise the limit (`ulimit -v` shows it, in KiB)\n")
        sys.exit(ENVIRONMENT)


def _leave(number: int, frame: object) -> None:
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
