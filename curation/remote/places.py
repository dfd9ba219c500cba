"""Where what lies in object stores is kept on this machine: one folder for each address, with a mark that names it.

    <cache>/<16 hexadecimal digits>/mark.json      the address, and what it is kept as
    <cache>/<16 hexadecimal digits>/<its name>/    what lies there, or a part of it

Whoever is given a path below the cache finds the address in the mark: a worker needs to be told nothing else. Only the
cache is looked at, so that no folder from somewhere else can name an address.
"""

from __future__ import annotations

import hashlib
import os
import re
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from curation.remote.object_store import endpoint_of

CACHE: Final = "CURATE_STORE_CACHE"
MARK: Final = "mark.json"
DIGITS: Final = 16
Kind = Literal["file", "folder", "dataset", "bucket", "output"]
"""A file; a folder of which all names are known; a data set of which others are fetched as the manifest names them;
a bucket, of which manifests name images by URI; what is made here, to be published."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """An address and what it is kept as; `owner` is a secret of the machine that makes an output."""

    address: str
    kind: Kind
    owner: str = ""
    is_published: bool = False

    @property
    def name(self) -> str:
        """The last part of the address: names of sources and data sets are made of it."""
        return self.address.rpartition("/")[2]


def cache_folder() -> Path:
    """Return the folder of everything that is kept, `$CURATE_STORE_CACHE` or one of the user's cache."""
    usual = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "curate" / "object-store"
    return Path(_real(os.environ.get(CACHE) or str(usual)))


def home_of(address: str, *, kind: Kind, version: str = "") -> Path:
    """Return the folder that is kept for an address; another version of a data set has another."""
    told = "\0".join([endpoint_of(address), address, kind, version])
    return cache_folder() / hashlib.sha256(told.encode()).hexdigest()[:DIGITS]


def home_at(path: Path) -> tuple[Path, str] | None:
    """Return the folder of the address that a path below the cache belongs to, and the key; None for other paths."""
    root, text = f"{cache_folder()}/", str(path)
    if not text.startswith(root) or "/../" in text:
        return None
    digest, _, rest = text.removeprefix(root).partition("/")
    return Path(root) / digest, rest.partition("/")[2]


def read_mark(home: Path) -> Place | None:
    """Return what a folder of the cache is kept for, None where it tells nothing."""
    try:
        return msgspec.json.decode((home / MARK).read_bytes(), type=Place)
    except (OSError, msgspec.DecodeError):
        return None


def told(text: str, *, is_published: bool = True) -> str:
    """Return a text in which paths below the cache stand as the addresses that they are kept for.

    Files of an output that is not published stay paths: they lie nowhere else.
    """
    root = str(cache_folder())
    if root not in text:
        return text
    pattern = re.compile(rf"{re.escape(root)}/([0-9a-f]{{{DIGITS}}})")
    pieces, end = [], 0
    for found in pattern.finditer(text):
        place = read_mark(Path(found[0]))
        if place is None:
            continue
        after = found.end() + len(f"/{place.name}") * text.startswith(f"/{place.name}", found.end())
        if place.kind == "output" and not is_published and text.startswith("/", after):
            continue
        pieces += [text[end : found.start()], place.address]
        end = after
    return "".join([*pieces, text[end:]])


def all_told(value: Any) -> Any:
    """Return plain values with each text in them as `told` gives it."""
    if isinstance(value, str):
        return told(value)
    if isinstance(value, dict):
        return {all_told(key): all_told(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(all_told(one) for one in value)
    return value


@cache
def _real(folder: str) -> str:
    return os.path.realpath(Path(folder).expanduser())
