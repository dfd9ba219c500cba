"""Calls of Label Studio's API: with its token, with patience, and never twice where twice would double something."""

from __future__ import annotations

import base64
import binascii
import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

import httpx
import msgspec

from curation.errors import ConfigurationProblem, InputRefused, RemoteUnavailable
from curation.quarantine import printable
from labeling.label_studio.access import API_KEY, Access

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
SPARE_S: Final = 30.0
"""A short-lived token is renewed this long before it ends."""
SAID_LENGTH: Final = 300
SERVER_FAULT: Final = 500
REFUSED: Final = frozenset({401, 403})
TOO_MANY: Final = 429


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
                remedy="what was done is kept; run the same command again when it is up, it goes on",
            )
        self.patience.sleep(pause)
        self.pause_s = min(LONGEST_PAUSE_S, 2 * self.pause_s)


class Client:
    """Calls one server. A context manager; the connections are closed at its end."""

    def __init__(self, access: Access, *, patience: Patience | None = None) -> None:
        self.access = access
        self.patience = patience or Patience()
        self._token = Token(access)
        self._http = httpx.Client(
            base_url=access.url,
            timeout=httpx.Timeout(self.patience.timeout_s, connect=min(10.0, self.patience.timeout_s)),
            trust_env=not access.is_here,  # no proxy stands between us and this machine
            follow_redirects=False,  # the token is for this server
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        """Give the JSON at a path. Repeated until it comes or patience ends."""
        return _decoded(self._patiently("GET", path, params=query))

    def get_bytes(self, path: str) -> bytes:
        """Give the content at a path. Repeated until it comes or patience ends."""
        content: bytes = self._patiently("GET", path).content
        return content

    def delete(self, path: str) -> None:
        """Delete what is at a path; what is gone already is fine."""
        self._patiently("DELETE", path, fine=frozenset({404}))

    def patch(self, path: str, *, body: Mapping[str, Any]) -> Any:
        """Change what is at a path; twice is the same as once."""
        return _decoded(self._patiently("PATCH", path, json=body))

    def post(self, path: str, *, outage: Outage, **content: Any) -> Any:
        """Send `json` or `files` to a path, once, and give the JSON that comes back.

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
            if answer.status_code == TOO_MANY:
                outage.wait("too many requests", at_least_s=_retry_after(answer))
                continue
            if answer.status_code >= SERVER_FAULT:
                raise OutcomeUnknown(f"the server answered {answer.status_code}")
            return _decoded(self._checked(answer, path=path))

    def outage(self) -> Outage:
        """Begin to wait: the patience of one piece of work."""
        return Outage(patience=self.patience, url=self.access.url)

    def _patiently(self, method: str, path: str, *, fine: frozenset[int] = frozenset(), **content: Any) -> Any:
        outage = self.outage()
        while True:
            try:
                answer = self._send(method, path, **content)
                if answer.status_code == TOO_MANY:
                    outage.wait("too many requests", at_least_s=_retry_after(answer))
                elif answer.status_code >= SERVER_FAULT:
                    outage.wait(f"the server answered {answer.status_code}")
                else:
                    return answer if answer.status_code in fine else self._checked(answer, path=path)
            except httpx.HTTPError as error:
                outage.wait(f"{type(error).__name__} {error}")

    def _send(self, method: str, path: str, **content: Any) -> httpx.Response:
        if self._token.is_ending():
            answer = self._http.post("/api/token/refresh", json={"refresh": self.access.token})
            self._token.renew(self._checked(answer, path="/api/token/refresh"))
        return self._http.request(method, path, headers={"Authorization": self._token.header}, **content)

    def _checked(self, answer: httpx.Response, *, path: str) -> httpx.Response:
        if answer.is_success:
            return answer
        if answer.status_code in REFUSED:
            raise ConfigurationProblem(
                f"Label Studio refuses the token ({self._token.kind}): {answer.status_code}",
                where=self.access.url,
                remedy=f"check {API_KEY}: it may be revoked, of another server, or of a user without the right; "
                "legacy tokens can also be switched off in the organization's settings",
            )
        said = printable(answer.text)[:SAID_LENGTH]
        raise InputRefused(
            f"Label Studio refuses {path} ({answer.status_code}): {said}",
            where=self.access.url,
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

    def renew(self, answer: httpx.Response) -> None:
        """Take the short-lived token of an answer."""
        token = answer.json()["access"]
        self.header = f"Bearer {token}"
        try:
            middle = token.split(".")[1]
            self._ends = float(json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))["exp"])
        except (ValueError, KeyError, IndexError, binascii.Error):
            self._ends = time.time() + 2 * SPARE_S


def _decoded(answer: httpx.Response) -> Any:
    """Give the JSON of an answer; a page of masks is megabytes, of which msgspec reads three in the time of one."""
    try:
        return msgspec.json.decode(answer.content)
    except msgspec.DecodeError as error:
        raise InputRefused(
            f"the answer is no JSON: {printable(answer.text)[:SAID_LENGTH]}",
            where=str(answer.url.copy_with(query=None)),
            remedy="is the address that of Label Studio, and not of a page that stands before it?",
        ) from error


def _retry_after(answer: httpx.Response) -> float:
    """Give the seconds in the header Retry-After; a date, or none, counts as the usual pause."""
    try:
        return max(0.0, float(answer.headers.get("Retry-After", "0")))
    except ValueError:
        return 0.0
