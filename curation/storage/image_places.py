"""Where images lie that a manifest names by URI, and whether they may be read: a manifest may be a stranger's.

Only what lies below a place that the user allowed is read, in $CURATE_IMAGES_FROM: absolute folders, `file://` URIs and
addresses, with commas between them. An object of a store is fetched into the cache (see `curation.remote`).
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from curation.errors import ConfigurationProblem, SecurityRefused
from curation.image_uri import FILE, file_of_uri, image_uri, uri_in, uri_of_file
from curation.quarantine import BadRecord, Code
from curation.remote.mirrored import mirrored_object
from curation.remote.object_store import address_of
from curation.remote.places import told

VARIABLE: Final = "CURATE_IMAGES_FROM"
BETWEEN: Final = ","
LINK_HINT: Final = f"below a place in {VARIABLE} no link is followed: add the link itself, or copy what it leads to"


def located(path: Path, *, below: Path | None) -> tuple[Path, Path | None]:
    """Return where the file lies that a path means, and the folder below which no link is followed on the way there.

    Both are those given unless the path has a URI in it.
    Raises SecurityRefused for one that was not allowed, BadRecord: PATH_ESCAPE; and what `ObjectStore` raises.
    """
    is_inside = below is not None and path.is_relative_to(below)
    uri = image_uri(str(path.relative_to(below))) if below is not None and is_inside else uri_in(str(path))
    if uri is None:
        return path, below
    place = allowed_place(uri)
    if isinstance(place, Path):
        return file_of_uri(uri), place
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    return mirrored_object(f"{scheme}://{bucket}", key=key), None


def uri_of(path: Path, *, below: Path) -> str:
    """Return the URI of a file `below` a folder, or of the object that a path of the cache stands for.

    Raises SecurityRefused where its place is not allowed: whoever reads it would be refused; BadRecord: NAME.
    """
    known = address_of(told(str(path)))
    uri = uri_of_file(below.resolve() / path.relative_to(below)) if known is None else known
    allowed_place(uri)
    if "\\" in uri:
        raise BadRecord(Code.NAME, "a URI with a backslash is not read", file=uri)
    return uri


def refuse_unallowed(roots: Sequence[Path]) -> None:
    """Raise SecurityRefused where images below none of some folders may be named, before any is read."""
    inside = [address_of(told(str(root))) or uri_of_file(root.resolve()) for root in roots]
    named = [place if isinstance(place, str) else uri_of_file(place) for place in _places()]
    pairs = [(f"{one.rstrip('/')}/", f"{other.rstrip('/')}/") for one in inside for other in named]
    if not any(one.startswith(other) or other.startswith(one) for one, other in pairs):
        raise _refused(inside[0], folder=inside[0])


def allowed_place(uri: str) -> Path | str:
    """Return the folder, or the address, that allows to read a URI.

    Raises SecurityRefused where none does, BadRecord: PATH_ESCAPE for a URI that leads upwards.
    """
    is_file = uri.startswith(f"{FILE}:")
    named = file_of_uri(uri) if is_file else PurePosixPath(uri)
    if ".." in named.parts or "\0" in str(named):
        raise BadRecord(Code.PATH_ESCAPE, "the URI leads out of its folder", file=uri)
    for place in _places():
        if isinstance(place, str):
            if f"{uri}/".startswith(f"{place}/"):
                return place
        elif is_file and named.is_relative_to(place):
            return place if named != place else place.parent
    raise _refused(uri, folder=uri.rpartition("/")[0])


def _places() -> Iterator[Path | str]:
    """Yield the folders and addresses that are allowed, folders as they are named and as links lead.

    Raises ConfigurationProblem for what is neither.
    """
    for text in filter(None, map(str.strip, os.environ.get(VARIABLE, "").split(BETWEEN))):
        uri = image_uri(text)
        if uri is not None and not uri.startswith(f"{FILE}:"):
            bucket = uri.partition("://")[2].partition("/")[0]
            if "@" in bucket or ":" in bucket:
                remedy = "leave them out: credentials come from variables of their own"
                raise ConfigurationProblem(f"{VARIABLE} holds an address with credentials in it", remedy=remedy)
            yield uri.rstrip("/").replace("%2C", BETWEEN)
            continue
        folder = Path(os.path.expanduser(text)) if uri is None else file_of_uri(uri)  # noqa: PTH111 - of no user: as it is
        if not folder.is_absolute():
            remedy = f"give absolute folders and addresses such as s3://bucket/photos, with {BETWEEN!r} between them"
            raise ConfigurationProblem(
                f"{VARIABLE} holds {text!r}, which is no absolute folder and no address", remedy=remedy
            )
        yield folder
        yield Path(os.path.realpath(folder))


def _refused(uri: str, *, folder: str) -> SecurityRefused:
    """Return the refusal, with a line for a shell that allows the folder beside what is allowed already."""
    more = str(file_of_uri(folder)) if folder.startswith(f"{FILE}:") else folder
    more = folder.replace(BETWEEN, "%2C") if BETWEEN in more else more
    value = BETWEEN.join(filter(None, [os.environ.get(VARIABLE, "").strip(BETWEEN), more]))
    return SecurityRefused(
        f"images may not be read here by URI: {VARIABLE} does not allow this place",
        where=uri,
        remedy="allow it, or a place above it, where you trust the data set that names it: "
        f"export {VARIABLE}={shlex.quote(value)}",
    )
