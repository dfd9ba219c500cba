"""What is said on the page of the App besides what FiftyOne says, and what of it does nothing.

The tab Annotate asks for operators, which run code and are not served: it would load for ever. It cannot be opened, and
tells where masks are corrected. The box that advertises another edition is not shown: it lies on the first pictures.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any, Final, TypeAlias

Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MASKS: Final = "Edit in Label Studio"
"""What stands in place of the tab's name; more has no room, and is said of the labels, see `fiftyone_looks`."""
ADVERTISED: Final = ".MuiPopover-root:has(.MuiTypography-h6 + .MuiTypography-body2 + * > .MuiButton-outlined)"
"""The box; it has no name of its own: a heading, a sentence, and two buttons, of which one is outlined."""
STYLE: Final = (
    '<style>[data-cy="annotate"] { pointer-events: none !important; font-size: 0 !important } '
    f'[data-cy="annotate"]::after {{ content: "{MASKS}"; font-size: 12px }} '
    f"{ADVERTISED} {{ display: none !important }}</style>\n"
).encode()


def with_style(send: Send) -> Send:
    """Return what sends an answer on, with our style at the end of it where it is a whole page of HTML."""
    is_page = False

    async def styled(message: MutableMapping[str, Any]) -> None:
        nonlocal is_page
        if message["type"] == "http.response.start":
            headers = dict(message["headers"])
            kind = headers.get(b"content-type", b"")
            is_page = message["status"] == HTTPStatus.OK and kind.startswith(b"text/html")
            if is_page and b"content-length" in headers:
                headers[b"content-length"] = str(int(headers[b"content-length"]) + len(STYLE)).encode()
                message["headers"] = list(headers.items())
        elif is_page and not message.get("more_body", False):
            message["body"] = message.get("body", b"") + STYLE
        await send(message)

    return styled
