"""Which Label Studio is worked with, and the secrets that open it: they stand in the environment, or in a 0600 file."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from curation.errors import ConfigurationProblem, InputRefused, RemoteUnavailable
from curation.storage.files import make_folder, write_durable

URL: Final = "LABEL_STUDIO_URL"
API_KEY: Final = "LABEL_STUDIO_API_KEY"
SECRETS: Final = "secrets.json"
RUNNING: Final = "running.json"
FILES: Final = "files"
"""The only folder whose pictures our own server may show."""
OWNER: Final = "curate@localhost"
HOST: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?")
TOKEN_BYTES: Final = 20
"""Label Studio keeps legacy tokens of 40 hexadecimal digits."""


class Secrets(msgspec.Struct, frozen=True, kw_only=True):
    """The first user of our own server, and the token of the API."""

    email: str
    password: str
    token: str

    def __repr__(self) -> str:
        """Hide the secrets from logs and tracebacks."""
        return f"Secrets({self.email})"


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """A server that was started: the process that holds it, and where it listens."""

    pid: int
    url: Annotated[str, Meta(pattern=r"^http://127\.0\.0\.1:[0-9]{1,5}\Z")]


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """A server and its token; `files` is the folder of pictures that it may show, None on a server of your own."""

    url: str
    token: str
    files: Path | None = None

    def __repr__(self) -> str:
        """Hide the token from logs and tracebacks."""
        return f"Access({self.url})"

    @property
    def is_here(self) -> bool:
        """Whether the server listens on this machine alone."""
        return urlsplit(self.url).hostname in {"127.0.0.1", "localhost", "::1"}


def default_folder() -> Path:
    """Return the folder of our own server: one for each user of this machine."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "curate" / "label-studio"


def find_access(folder: Path) -> Access:
    """Return the server that the environment names, else the one that `curate label serve` started in `folder`.

    Raises ConfigurationProblem when half of the environment is set, RemoteUnavailable when no server is up.
    """
    url, token = os.environ.get(URL, "").strip(), os.environ.get(API_KEY, "").strip()
    if url or token:
        return Access(url=_checked(url), token=_given(token))
    running = read_running(folder)
    if running is None:
        raise RemoteUnavailable(
            "no Label Studio is up",
            where=folder,
            remedy=f"start it with `curate label serve`, or name one of your own, or in another folder, with {URL} and "
            f"{API_KEY}; `curate label serve --folder DIR --show-login` prints address and token of the one in DIR",
        )
    return Access(url=running.url, token=read_secrets(folder).token, files=folder.resolve() / FILES)


def make_secrets(folder: Path) -> Secrets:
    """Return the secrets in the folder of a server; where there are none, make them."""
    if not (folder / SECRETS).exists():
        made = Secrets(email=OWNER, password=secrets.token_urlsafe(), token=secrets.token_hex(TOKEN_BYTES))
        make_folder(folder)
        write_durable(folder / SECRETS, msgspec.json.encode(made), is_secret=True)
    return read_secrets(folder)


def read_secrets(folder: Path) -> Secrets:
    """Return the secrets in the folder of a server. Raises InputRefused when they are missing or damaged."""
    path = folder / SECRETS
    try:
        return msgspec.json.decode(path.read_bytes(), type=Secrets)
    except (OSError, msgspec.DecodeError) as error:
        raise InputRefused(
            "the secrets of the server cannot be read", where=path, remedy="restore the file from a backup"
        ) from error


def read_running(folder: Path) -> Running | None:
    """Return the server that was started in a folder, None where it was stopped or killed."""
    try:
        running = msgspec.json.decode((folder / RUNNING).read_bytes(), type=Running)
        os.kill(running.pid, 0)
    except (OSError, msgspec.DecodeError):
        return None
    return running


def _is_host(name: str) -> bool:
    """Tell whether a name can be that of a host; raise ValueError for one that cannot be written in ASCII."""
    ascii_name = name.encode("idna").decode()
    return bool(ascii_name) and (":" in name or HOST.fullmatch(ascii_name) is not None)


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in {"http", "https"} and parts.port != 0 and _is_host(parts.hostname or "")
    except ValueError:  # a port that is no number, a bracket that is not closed, a host that IDNA does not know
        is_address = False
    if not is_address:
        raise ConfigurationProblem(
            f"{URL} is {url!r}, no address of a server" if url else f"{API_KEY} is set, and {URL} is not",
            remedy=f"set {URL} to an address such as https://label-studio.example.org",
        )
    if parts.username or parts.password:
        raise ConfigurationProblem(f"{URL} holds a password", remedy=f"take it out; the token belongs in {API_KEY}")
    return url.rstrip("/")


def _given(token: str) -> str:
    if not token or not token.isprintable() or not token.isascii():
        reason = "holds characters that no token has" if token else "is not set"
        raise ConfigurationProblem(
            f"{API_KEY} {reason}", remedy="copy the token from Account & Settings of Label Studio, whole"
        )
    return token
