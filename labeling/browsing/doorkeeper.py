"""The layer in front of the App's server: who may ask, for what, and what a browser may do with the answer.

The App itself serves every file that its user can read, to whoever asks, and builds Python objects by the names that a
request gives. So nothing passes here that is not known to be needed: the right host, no foreign page, the token of this
start, a route of `ROUTES`, a body that `app_requests` has read, and pictures of the datasets that are shown.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl, quote, urlencode

import msgspec

from curation.images.header import EXTENSIONS
from labeling.browsing.page import with_style
from labeling.browsing.requests import Refused, checked_body

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Server: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

TOKEN: Final = "token"  # noqa: S105 - the name, not the value
LARGEST_BODY: Final = 16 << 20
"""The App names every selected sample in a request: 34,000 ids are under 1 MB."""
READ: Final = frozenset({"GET", "HEAD"})
WRITE: Final = frozenset({"POST"})
ROUTES: Final = (
    (READ, re.compile(r"/")),
    (READ, re.compile(r"/datasets/[^/]+")),
    (READ, re.compile(r"(/datasets)?/(favicon\.ico|model_evaluation\.svg|assets/[\w.-]+)")),
    (READ, re.compile(r"/(fiftyone|features|plugins|media)")),
    (WRITE, re.compile(r"/operators(/resolve-placements)?")),
    (WRITE, re.compile(r"/(graphql|events|aggregate|tag|tagging|values)")),
)
"""What browsing needs, found by use of the App: no route that runs an operator, loads a plugin or writes a file."""
WITHOUT_OPERATORS: Final = {
    "/operators": '{"operators": [], "errors": []}',
    "/operators/resolve-placements": '{"placements": []}',
}
"""What the App's page receives when it asks for operators: they run code, and browsing needs none."""
PICTURES: Final = frozenset({*EXTENSIONS.values(), ".jpeg"})
OWN_PAGES: Final = frozenset({"same-origin", "none"})
"""Values of Sec-Fetch-Site of a request that comes from our own page, or from the address bar."""
POLICY: Final = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; "
    "connect-src 'self' data: blob:; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
    "font-src 'self' data:; media-src 'self' blob:; manifest-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The App may ask nobody but this server: neither Google for typefaces nor anybody for code."""
PICTURE_POLICY: Final = "default-src 'none'; sandbox; frame-ancestors 'none'"
HEADERS: Final = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"x-frame-options": b"DENY",
    b"cross-origin-resource-policy": b"same-origin",
}
DROPPED: Final = frozenset({*HEADERS, b"content-security-policy"})
WELCOME: Final = (
    '<!doctype html><meta charset="utf-8"><title>curate browse</title>'
    '<meta http-equiv="refresh" content="0; url={path}"><p><a href="{path}">Open the App</a></p>'
)
"""A redirect would lose the cookie where another page or program opened the address; this page is our own."""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What one start of the App shows: the dataset of FiftyOne, the saved view of it that opens ("" for all samples),
    the folders of its pictures; and its port and token.

    `once` is taken for the token the first time: it is for a browser that we start, whose arguments everybody can see.
    """

    port: int
    token: str
    once: str
    name: str
    view: str = ""
    folders: tuple[str, ...]

    def __repr__(self) -> str:
        """Hide the token from logs and tracebacks."""
        return f"Shown({self.name})"

    @property
    def cookie(self) -> str:
        """Return the name of the cookie: browsers share cookies among the ports of a host."""
        return f"curate-browse-{self.port}"

    @property
    def hosts(self) -> frozenset[str]:
        """Return the values of `Host` that mean this server."""
        return frozenset({f"127.0.0.1:{self.port}", f"localhost:{self.port}"})


class Doorkeeper:
    """An ASGI server that passes on to another what may pass, and refuses the rest with a plain sentence."""

    def __init__(self, server: Server, *, shown: Shown) -> None:
        self._server = server
        self._shown = shown
        self._once = shown.once
        self._folders = [Path(folder).resolve() for folder in shown.folders]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await self._server(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            try:
                await self._serve(scope, receive, send)
            except Refused as refused:
                await _answer(send, status=refused.status, text=f"{refused}\n", kind="text/plain")

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = list(scope["headers"])
        self._check_host(headers)
        if scope["method"] == "GET" and (given := self._given_token(scope)) is not None:
            self._check_given(given)
            await self._welcome(scope["path"], send=send)
            return
        self._check_origin(headers)
        self._check_token(_cookie(headers, name=self._shown.cookie))
        _check_route(scope)
        if scope["method"] in WRITE:
            if (told := WITHOUT_OPERATORS.get(scope["path"])) is not None:
                await _answer(send, status=200, text=told, kind="application/json")
                return
            body = checked_body(await _read(receive), path=scope["path"], name=self._shown.name)
            scope = _with_body(scope, length=len(body))
            receive = _replayed(body, then=receive)
        elif scope["path"] == "/media":
            scope = dict(scope) | {"query_string": _picture_query(self._picture(scope))}
        else:
            scope = dict(scope) | {"query_string": b""}
        if scope["method"] == "GET":
            send = with_style(send)
        await self._server(scope, receive, _with_headers(send, is_picture=scope["path"] == "/media"))

    def _check_host(self, headers: list[tuple[bytes, bytes]]) -> None:
        hosts = _all(headers, b"host")
        if len(hosts) != 1 or hosts[0].lower() not in self._shown.hosts:
            raise Refused("this server answers to 127.0.0.1 and localhost with its port alone", status=403)

    def _check_origin(self, headers: list[tuple[bytes, bytes]]) -> None:
        own = {f"http://{host}" for host in _all(headers, b"host")}
        sites = _all(headers, b"sec-fetch-site")
        if any(origin not in own for origin in _all(headers, b"origin")) or any(
            site not in OWN_PAGES for site in sites
        ):
            raise Refused("this request comes from another page", status=403)

    def _given_token(self, scope: Scope) -> str | None:
        given = [value for name, value in _query(scope) if name == TOKEN]
        return given[-1] if given else None

    def _check_given(self, given: str) -> None:
        if self._once and _is_same(given, self._once):
            self._once = ""
        else:
            self._check_token(given)

    def _check_token(self, given: str) -> None:
        if not _is_same(given, self._shown.token):
            raise Refused(
                "open the address that `curate browse` printed, with its token: this request has none that fits",
                status=403,
            )

    async def _welcome(self, path: str, *, send: Send) -> None:
        """Set the cookie, and lead to the same address without the token."""
        view = f"?{urlencode({'view': self._shown.view})}" if self._shown.view else ""
        path = f"{quote(path)}{view}" if re.fullmatch(r"/datasets/[^/]+", path) else "/"
        cookie = f"{self._shown.cookie}={self._shown.token}; Path=/; HttpOnly; SameSite=Strict"
        await _answer(send, status=200, text=WELCOME.format(path=path), kind="text/html", cookie=cookie)

    def _picture(self, scope: Scope) -> Path:
        """Return the picture that is asked for, all links resolved; raise Refused where it is not one of ours."""
        query = _query(scope)
        if len(query) != 1 or query[0][0] != "filepath":
            raise Refused("give one filepath and nothing else", status=400)
        text = query[0][1]
        try:
            path = Path(text).resolve(strict=True) if text.startswith("/") and "\0" not in text else None
        except (OSError, RuntimeError, ValueError):  # not there, or a circle of links
            path = None
        if path is None or path.suffix.lower() not in PICTURES or not any(map(path.is_relative_to, self._folders)):
            raise Refused("there is no such picture in the datasets that are shown", status=404)
        return path


def _is_same(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), secret.encode())


def _check_route(scope: Scope) -> None:
    for methods, pattern in ROUTES:
        if pattern.fullmatch(scope["path"]):
            if scope["method"] not in methods:
                raise Refused("this method is not served here", status=HTTPStatus.METHOD_NOT_ALLOWED)
            return
    raise Refused("browsing does not need this address, so it is not served", status=404)


def _all(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in headers if key.lower() == name]


def _query(scope: Scope) -> list[tuple[str, str]]:
    return parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True, errors="surrogateescape")


def _picture_query(path: Path) -> bytes:
    return urlencode({"filepath": str(path)}, errors="surrogateescape").encode()


def _cookie(headers: Iterable[tuple[bytes, bytes]], *, name: str) -> str:
    pairs = [pair.strip().partition("=") for line in _all(headers, b"cookie") for pair in line.split(";")]
    return next((value for key, _, value in pairs if key == name), "")


async def _read(receive: Receive) -> bytes:
    body, has_more = b"", True
    while has_more:
        message = await receive()
        body += message.get("body", b"")
        has_more = message["type"] == "http.request" and message.get("more_body", False)
        if len(body) > LARGEST_BODY:
            raise Refused("this request is too large", status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return body


def _with_body(scope: Scope, *, length: int) -> Scope:
    own = [(b"content-type", b"application/json"), (b"content-length", str(length).encode())]
    kept = [(name, value) for name, value in scope["headers"] if name.lower() not in dict(own)]
    return dict(scope) | {"headers": kept + own, "query_string": b""}


def _replayed(body: bytes, *, then: Receive) -> Receive:
    waiting: Iterator[MutableMapping[str, Any]] = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> MutableMapping[str, Any]:
        return next(waiting, None) or await then()

    return receive


def _with_headers(send: Send, *, is_picture: bool) -> Send:
    policy = (PICTURE_POLICY if is_picture else POLICY).encode()

    async def guarded(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = message.get("headers", [])
            kept = [one for one in headers if one[0] not in DROPPED and not one[0].startswith(b"access-control-")]
            message["headers"] = [*kept, *HEADERS.items(), (b"content-security-policy", policy)]
        await send(message)

    return guarded


async def _answer(send: Send, *, status: int, text: str, kind: str, cookie: str | None = None) -> None:
    headers = [
        (b"content-type", f"{kind}; charset=utf-8".encode()),
        (b"content-length", str(len(text.encode())).encode()),
        (b"cache-control", b"no-store"),
        *([(b"set-cookie", cookie.encode())] if cookie else []),
    ]
    send = _with_headers(send, is_picture=False)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
