"""Calls of Label Studio's API: with its token, with patience, and never twice where twice would double something."""

from __future__ import annotations

import base64
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx
import msgspec

from curation.errors import ConfigurationProblem, InputRefused, RemoteUnavailable, SecurityRefused
from curation.quarantine import printable
from labeling.label_tools.label_studio.server.access import API_KEY, URL, Access
from labeling.label_tools.label_studio.server.responses import AccessToken, TokenClaims

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
SPARE_S: Final = 30.0
"""A short-lived token is renewed this long before it ends."""
SAID_LENGTH: Final = 300
SERVER_FAULT: Final = 500
REDIRECTED: Final = range(300, 400)
REFUSED: Final = frozenset({401, 403})
NOT_FOUND: Final = 404
TOO_MANY: Final = 429
LARGEST_ANSWER: Final = 512_000_000
"""Bytes of one answer, unpacked. The largest is a page of masks: megabytes, a hundred for very large photographs."""
LONGEST_ANSWER_S: Final = 600.0
"""A server that sends a byte now and then would else hold us for ever."""

T = TypeVar("T")


class OutcomeUnknown(Exception):
    """A request that may have been carried out or not: the server failed, or was lost, before it answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long an outage is waited for, in seconds, and how: `sleep` and `clock` are replaced in tests."""

    limit_s: float = 60.0
    timeout_s: float = 120.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic


@dataclass(slots=True)
class Outage:
    """The waiting for a server that fails: pauses grow, with chance in them, up to a deadline."""

    patience: Patience
    url: str
    pause_s: float = FIRST_PAUSE_S
    until: float = field(init=False)

    def __post_init__(self) -> None:
        self.until = self.patience.clock() + self.patience.limit_s

    def wait(self, reason: object, *, at_least_s: float = 0.0) -> None:
        """Pause before the next attempt. Raises RemoteUnavailable when the deadline would pass."""
        pause = max(at_least_s, self.pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - to spread, not to hide
        if self.patience.clock() + pause > self.until:
            raise RemoteUnavailable(
                f"Label Studio is unavailable: {printable(str(reason))[:SAID_LENGTH]}",
                where=self.url,
                remedy="what was done is kept; run the same command again when it answers again; it continues",
            )
        self.patience.sleep(pause)
        self.pause_s = min(LONGEST_PAUSE_S, 2 * self.pause_s)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ServerResponse:
    """An answer that was read whole; `where` is its address without the query."""

    status: int
    headers: httpx.Headers
    content: bytes
    where: str

    @property
    def said(self) -> str:
        """How it begins, fit to be printed."""
        return printable(self.content[: 4 * SAID_LENGTH].decode(errors="replace"))[:SAID_LENGTH]


class Client:
    """Calls one server. A context manager; the connections are closed at its end."""

    def __init__(self, access: Access, *, patience: Patience | None = None) -> None:
        self.access = access
        self.patience = patience or Patience()
        self._token = Token(access)
        try:
            _ = httpx.URL(access.url).host  # decoded only now
            self._http = httpx.Client(
                base_url=access.url,
                timeout=httpx.Timeout(self.patience.timeout_s, connect=min(10.0, self.patience.timeout_s)),
                trust_env=not access.is_here,  # no proxy stands between us and this machine
                follow_redirects=False,  # the token is for this server
            )
        except (httpx.InvalidURL, UnicodeError) as error:
            raise ConfigurationProblem(
                f"{access.url!r} is no address of a server: {error}", remedy=f"correct {URL}"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._http.close()

    def get(self, path: str, *, kind: type[T], **query: Any) -> T:
        """Return the JSON at a path as a `kind`. Repeated until it comes or patience ends.

        Raises RemoteUnavailable where what comes is no such kind, as do all that return one.
        """
        return _decoded(self._patiently("GET", path, params=query), kind=kind)

    def find(self, path: str, *, kind: type[T]) -> T | None:
        """Return the JSON at a path as a `kind`, None where there is nothing."""
        answer = self._patiently("GET", path, fine=frozenset({NOT_FOUND}))
        return None if answer.status == NOT_FOUND else _decoded(answer, kind=kind)

    def get_bytes(self, path: str) -> bytes:
        """Return the content at a path. Repeated until it comes or patience ends."""
        return self._patiently("GET", path).content

    def delete(self, path: str) -> None:
        """Delete what is at a path; what is gone already is fine."""
        self._patiently("DELETE", path, fine=frozenset({NOT_FOUND}))

    def patch(self, path: str, *, body: Mapping[str, Any]) -> None:
        """Change what is at a path; twice is the same as once."""
        self._patiently("PATCH", path, json=body)

    def post(self, path: str, *, kind: type[T], outage: Outage, **content: Any) -> T:
        """Send `json` or `files` to a path, once, and return the JSON that comes back as a `kind`.

        Raises OutcomeUnknown when it may have been carried out although no answer came: look before you send again.
        """
        while True:
            try:
                answer = self._send("POST", path, **content)
            except httpx.ConnectError as error:  # it was never sent
                outage.wait(error)
                continue
            except httpx.HTTPError as error:
                raise OutcomeUnknown(f"{type(error).__name__} {error}") from error
            if answer.status == TOO_MANY:
                outage.wait("too many requests", at_least_s=_retry_after(answer))
                continue
            if answer.status >= SERVER_FAULT:
                raise OutcomeUnknown(f"the server answered {answer.status}")
            return _decoded(self._checked(answer), kind=kind)

    def make_sure(self, look: Callable[[], T | None], *, make: Callable[[Outage], object], what: str) -> T:
        """Return what `look` finds; where that is nothing, `make` it, and again only where its outcome is unknown.

        Raises RemoteUnavailable where patience ends before it is found.
        """
        outage = self.outage()
        is_made = False
        while (found := look()) is None:
            if is_made:
                outage.wait(f"{what} was made, and is not there")
                continue
            try:
                make(outage)
                is_made = True
            except OutcomeUnknown as error:
                outage.wait(error)
        return found

    def outage(self) -> Outage:
        """Begin to wait: the patience of one piece of work."""
        return Outage(patience=self.patience, url=self.access.url)

    def unusable(self, reason: str) -> RemoteUnavailable:
        """Return the error for answers that are well formed and cannot be true."""
        return _unusable(reason, where=self.access.url)

    def _patiently(
        self, method: str, path: str, *, fine: frozenset[int] = frozenset(), **content: Any
    ) -> ServerResponse:
        outage = self.outage()
        while True:
            try:
                answer = self._send(method, path, **content)
                if answer.status == TOO_MANY:
                    outage.wait("too many requests", at_least_s=_retry_after(answer))
                elif answer.status >= SERVER_FAULT:
                    outage.wait(f"the server answered {answer.status}")
                else:
                    return answer if answer.status in fine else self._checked(answer)
            except httpx.HTTPError as error:
                outage.wait(f"{type(error).__name__} {error}")

    def _send(self, method: str, path: str, **content: Any) -> ServerResponse:
        if not path.startswith("/") or path.startswith("//"):
            raise SecurityRefused(
                f"{path!r} is no path of the server, to which alone the token goes", where=self.access.url
            )
        if self._token.is_ending():
            answer = self._exchange("POST", "/api/token/refresh", json={"refresh": self.access.token})
            self._token.renew(_decoded(self._checked(answer), kind=AccessToken))
        return self._exchange(method, path, headers={"Authorization": self._token.header}, **content)

    def _exchange(self, method: str, path: str, **content: Any) -> ServerResponse:
        """Send a request and read its answer, as far as the limits of an answer go."""
        until = self.patience.clock() + LONGEST_ANSWER_S
        data = bytearray()
        with self._http.stream(method, path, **content) as response:
            where = str(response.url.copy_with(query=None))
            for part in response.iter_bytes():
                data += part
                if len(data) > LARGEST_ANSWER:
                    raise _unusable(f"it has more than {LARGEST_ANSWER:,} bytes", where=where)
                if self.patience.clock() > until:
                    raise httpx.ReadTimeout(f"the answer was not whole after {LONGEST_ANSWER_S:.0f} s")
        return ServerResponse(status=response.status_code, headers=response.headers, content=bytes(data), where=where)

    def _checked(self, answer: ServerResponse) -> ServerResponse:
        if 200 <= answer.status < REDIRECTED.start:
            return answer
        if answer.status in REDIRECTED:
            to = printable(answer.headers.get("Location", "nowhere"))[:SAID_LENGTH]
            raise ConfigurationProblem(
                f"the server answers {answer.status}: it sends us to {to}, where the token is not taken",
                where=answer.where,
                remedy=f"if that is your Label Studio, set {URL} to its address; else ask who runs the server",
            )
        if answer.status in REFUSED:
            raise ConfigurationProblem(
                f"Label Studio refuses the token ({self._token.kind}): {answer.status}",
                where=self.access.url,
                remedy=f"check {API_KEY}: it may be revoked, of another server, or of a user without the right; "
                "legacy tokens can also be switched off in the organization's settings",
            )
        raise InputRefused(
            f"Label Studio refuses the request ({answer.status}): {answer.said}",
            where=answer.where,
            remedy="is the address that of Label Studio 1.18 or newer, and does the project still exist?",
        )


class Token:
    """The header that opens the API: a legacy token as it is, a personal one exchanged for one that lasts minutes."""

    def __init__(self, access: Access) -> None:
        self.is_personal = access.token.count(".") == 2  # a JSON Web Token: three parts (RFC 7519)
        self.kind = "a personal token" if self.is_personal else "a legacy token"
        self.header = "" if self.is_personal else f"Token {access.token}"
        self._ends = 0.0

    def is_ending(self) -> bool:
        """Tell whether a new one is needed before the next call."""
        return self.is_personal and time.time() > self._ends - SPARE_S

    def renew(self, answer: AccessToken) -> None:
        """Take the short-lived token of an answer."""
        self.header = f"Bearer {answer.access}"
        try:
            middle = answer.access.split(".")[1]
            claims = base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4))
            self._ends = msgspec.json.decode(claims, type=TokenClaims).exp
        except (ValueError, IndexError):  # no JSON Web Token: it is renewed early
            self._ends = time.time() + 2 * SPARE_S


def _decoded(answer: ServerResponse, *, kind: type[T]) -> T:
    """Return an answer as a `kind`; msgspec reads three pages of masks, which are megabytes, in the time of one."""
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except (ValueError, RecursionError) as error:  # msgspec's own errors, text that is no UTF-8, nesting without end
        raise _unusable(f"{error}; it begins {answer.said!r}", where=answer.where) from error


def _unusable(reason: str, *, where: str) -> RemoteUnavailable:
    return RemoteUnavailable(
        f"the answer is none that Label Studio gives: {reason}",
        where=where,
        remedy="is the address that of Label Studio 1.18 or newer, and not of a page that stands before it? What was "
        "done is kept; the same command continues",
    )


def _retry_after(answer: ServerResponse) -> float:
    """Return the seconds in the header Retry-After; a date, or none, counts as the usual pause."""
    try:
        return max(0.0, float(answer.headers.get("Retry-After", "0")))
    except ValueError:
        return 0.0
