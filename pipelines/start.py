"""Where the process begins: Ctrl-C and SIGTERM end it at once for as long as there is nothing to put in order.

The fewer modules are imported here, the sooner that holds.
"""

from __future__ import annotations

import os
import signal

INTERRUPTED = 130
FIRST = "CURATE_FIRST_PROCESS"
"""Names the first process to those that it starts to train with it, as `models.training.together` does."""


def main() -> None:
    """Import the command line, which takes most of the time of `--help`, and run it."""
    if FIRST in os.environ:  # one of several that train together: it dies with the first, also while it starts
        from curation.worker_process import die_with

        die_with(int(os.environ[FIRST]))
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # a shell starts what runs in its background with Ctrl-C ignored
            signal.signal(number, _leave)
    from pipelines import cli

    for number, handler in before.items():
        signal.signal(number, handler)
    cli.main()


def _leave(number: int, frame: object) -> None:
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
