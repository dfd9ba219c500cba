"""Where the process begins: Ctrl-C and SIGTERM end it at once for as long as there is nothing to put in order.

The fewer modules are imported here, the sooner that holds.
"""

from __future__ import annotations

import os
import signal

INTERRUPTED = 130


def main() -> None:
    """Import the command line, which takes most of the time of `--help`, and run it."""
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
