"""Members of tar files as WebDataset reads them: `<key>.jpg`, `<key>.mask.png`, ... beside each other are one sample.

Readers take what stands before the first dot of a name for its key. So a key is the id, in which dots, and whatever is
not plain, are written `%2E`: two samples never share a key, and no member name leads out of a folder.
Source: WebDataset, "The WebDataset Format"; POSIX.1-2001 (ustar, pax).
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final
from urllib.parse import quote

from curation.storage.streamed_file import streamed_file

END: Final = bytes(2 * tarfile.BLOCKSIZE)
"""Two empty blocks end an archive."""


def key_of(id_: str) -> str:
    """Return the key of a sample.

    >>> key_of("train2017_000000000009"), key_of("a.b"), key_of("..")
    ('train2017_000000000009', 'a%2Eb', '%2E%2E')
    """
    return quote(id_, safe="").replace(".", "%2E")


@contextmanager
def tar_file(path: Path) -> Iterator[IO[bytes]]:
    """Give a stream for members; the archive stands under `path` once the block has ended, and is then on the disk.

    Raises what `streamed_file` raises.
    """
    with streamed_file(path) as stream:
        yield stream
        stream.write(END)


def header_of(name: str, *, size: int) -> bytes:
    """Return what stands before the `size` bytes of a member: nothing in it depends on who writes it, or when."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    return info.tobuf(format=tarfile.PAX_FORMAT)


def padded(data: bytes) -> bytes:
    """Return the bytes of a member up to the end of their last block.

    >>> len(padded(b"")), len(padded(b"a")), len(padded(bytes(513)))
    (0, 512, 1024)
    """
    return data + bytes(-len(data) % tarfile.BLOCKSIZE)
