"""Where images lie that a manifest names by URI, and whether they may be read: a manifest may be a stranger's.

Only what lies below a place that the user allowed is read, in $CURATE_IMAGES_FROM: folders and addresses with commas
between them. An object of a store is fetched into the cache (see `curation.remote`).
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import Final

from curation.errors import SecurityRefused
from curation.image_uri import FILE, file_of_uri, image_uri, uri_of_file
from curation.quarantine import BadRecord, Code
from curation.remote.mirrored import mirrored_object
from curation.remote.object_store import address_of
from curation.remote.places import told

VARIABLE: Final = "CURATE_IMAGES_FROM"


def located(path: Path, *, below: Path | None) -> tuple[Path, Path | None]:
    """Return where the file lies that a path means, and the folder below which no link is followed on the way there.

    Both are those given unless the path has a URI in it.
    Raises SecurityRefused for one that was not allowed, BadRecord: PATH_ESCAPE; and what `ObjectStore` raises.
    """
    uri = image_uri(str(path if below is None else path.relative_to(below)))
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


def allowed_place(uri: str) -> Path | str:
    """Return the folder, or the address, that allows to read a URI.

    Raises SecurityRefused where none does, BadRecord: PATH_ESCAPE for a URI that leads upwards.
    """
    is_file = uri.startswith(f"{FILE}:")
    named = file_of_uri(uri) if is_file else PurePosixPath(uri)
    if ".." in named.parts or "\0" in str(named):
        raise BadRecord(Code.PATH_ESCAPE, "the URI leads out of its folder", file=uri)
    for place in filter(None, (text.strip() for text in os.environ.get(VARIABLE, "").split(","))):
        address = address_of(place)
        if address is None and is_file and named.is_relative_to(root := Path(place).expanduser().resolve()):
            return root
        if address is not None and not is_file and f"{uri}/".startswith(f"{address}/"):
            return address
    kept = os.environ.get(VARIABLE, "")
    folder = str(named.parent) if is_file else uri.rpartition("/")[0]
    raise SecurityRefused(
        f"images may not be read here by URI: {VARIABLE} does not allow this place",
        where=uri,
        remedy="allow it, or a place above it, where you trust the data set that names it: export "
        f"{VARIABLE}={','.join(filter(None, [kept, folder]))}",
    )
