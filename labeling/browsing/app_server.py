"""Serve the App behind the doorkeeper; the environment says what it shows.

Run as `python -m labeling.browsing.app_server SOCKET`.

The socket is open already when this starts: nobody else can take its port meanwhile, and be given the token.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Final

import msgspec

from labeling.browsing.doorkeeper import Doorkeeper, Shown

SHOWN: Final = "CURATE_BROWSE"


def main(socket: int) -> None:
    """Serve until a signal ends it."""
    shown = msgspec.json.decode(os.environ.pop(SHOWN), type=Shown)
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    from labeling.browsing.app import web_app

    config = Config()
    config.bind = [f"fd://{socket}"]
    config.include_server_header = False
    app = Doorkeeper(web_app(shown.name, port=shown.port), shown=shown)
    asyncio.run(serve(app, config))  # type: ignore[arg-type]


if __name__ == "__main__":
    main(int(sys.argv[1]))
