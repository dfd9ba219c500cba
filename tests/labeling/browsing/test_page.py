"""What the doorkeeper adds to the App's page reaches it whole, and nothing else is touched."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from labeling.browsing.page import STYLE, with_style


def answered(*, status: int, kind: bytes, parts: list[bytes]) -> tuple[dict[bytes, bytes], bytes]:
    """Send an answer in parts; give its headers and its body as they arrive."""
    messages: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        messages.append(message)

    async def answer() -> None:
        styled = with_style(send)
        length = str(sum(map(len, parts))).encode()
        headers = [(b"content-type", kind), (b"content-length", length)]
        await styled({"type": "http.response.start", "status": status, "headers": headers})
        for number, part in enumerate(parts):
            await styled({"type": "http.response.body", "body": part, "more_body": number < len(parts) - 1})

    asyncio.run(answer())
    return dict(messages[0]["headers"]), b"".join(one["body"] for one in messages[1:])


def test_a_page_in_parts_ends_with_our_style_once_and_says_its_length() -> None:
    headers, body = answered(status=200, kind=b"text/html; charset=utf-8", parts=[b"<p>a", b"<p>b", b""])
    assert body == b"<p>a<p>b" + STYLE
    assert int(headers[b"content-length"]) == len(body)


@pytest.mark.parametrize(("status", "kind"), [(200, b"application/json"), (206, b"text/html"), (304, b"text/html")])
def test_what_is_no_whole_page_is_left_as_it_is(status: int, kind: bytes) -> None:
    headers, body = answered(status=status, kind=kind, parts=[b"x"])
    assert (headers[b"content-length"], body) == (b"1", b"x")
