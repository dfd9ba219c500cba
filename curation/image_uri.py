"""Images that stay where they are: a manifest may name one by its URI, `s3://bucket/photos/1.jpg` or `file:///photos/1.jpg`.

Joined to the folder of its data set, as every name of a manifest is, a URI becomes a path with a part `s3:` or `file:`,
where it is found again. In a URI of a file `%`, `#`, `?` and what cannot be shown are written as %XX, and no others.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

FILE: Final = "file"
SCHEMES: Final = (FILE, "s3", "s3a", "gs", "az", "abfs", "abfss")
URI: Final = re.compile(rf"(?P<scheme>{'|'.join(SCHEMES)}):/+(?P<rest>[^/].*)", re.DOTALL)
JOINED: Final = re.compile(rf".*?/(?=(?:{'|'.join(SCHEMES)}):/)", re.DOTALL)
ESCAPED: Final = re.compile(r"[%#?\x00-\x20\x7f\\]")


def image_uri(name: str) -> str | None:
    """Return the URI that a name of a manifest is; None for the name of a file.

    A path that was made of a URI has lost some of its slashes.

    >>> image_uri("s3://bucket/a/1.jpg"), image_uri("s3:/bucket/a/1.jpg"), image_uri("file:/photos/1.jpg")
    ('s3://bucket/a/1.jpg', 's3://bucket/a/1.jpg', 'file:///photos/1.jpg')
    >>> image_uri("images/1.jpg"), image_uri("images/../file:///photos/1.jpg"), image_uri("s3:")
    (None, None, None)
    """
    found = URI.fullmatch(name)
    if found is None:
        return None
    return f"{found['scheme']}://{'/' if found['scheme'] == FILE else ''}{found['rest']}"


def uri_in(path: str) -> str | None:
    """Return the URI that was joined to a folder; None for any other path.

    >>> uri_in("/data/people/s3:/bucket/a/1.jpg"), uri_in("/data/people/images/1.jpg"), uri_in("/data/notes3:/1.jpg")
    ('s3://bucket/a/1.jpg', None, None)
    """
    return image_uri(JOINED.sub("", path, count=1))


def told_place(place: object) -> str:
    """Return a path, or whatever names a place, as the user knows it: a URI without the folder that it was joined to.

    >>> told_place(Path("/data/people/s3:/bucket/1.jpg")), told_place("images/1.jpg")
    ('s3://bucket/1.jpg', 'images/1.jpg')
    """
    text = str(place)
    return uri_in(text) or text


def uri_of_file(path: Path) -> str:
    """Return the URI of an absolute path.

    >>> uri_of_file(Path("/photos/100 % é.jpg"))
    'file:///photos/100%20%25%20é.jpg'
    """
    return f"{FILE}://{ESCAPED.sub(lambda found: quote(found[0], safe=''), str(path))}"


def file_of_uri(uri: str) -> Path:
    """Return the path of a URI of a file.

    >>> file_of_uri("file:///photos/100%20%25%20é.jpg").as_posix()
    '/photos/100 % é.jpg'
    """
    return Path(unquote(uri.removeprefix(f"{FILE}://")))
