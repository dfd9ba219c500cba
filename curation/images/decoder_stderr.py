"""What libjpeg and libpng say on stderr while they decode: the only sign that a picture is not whole.

Both OpenCV and Pillow give a picture with grey areas for damaged JPEG data and report success; the line
"Corrupt JPEG data" on file descriptor 2 is all that tells.
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

OF_A_DECODER: Final = re.compile(
    rb"^libpng (warning|error)|JPEG|JFIF|Huffman|SOS param|progression sequence|Adobe color"
)
"""What jerror.h of libjpeg and pngerror.c of libpng can say; other lines on stderr are somebody else's."""
HARMLESS: Final = re.compile(
    rb"^libpng warning"  # colour profiles and the like; libpng's errors end the decoding
    rb"|extraneous bytes before marker 0xd9"  # cameras pad; every block of the picture is there by then
    rb"|unknown JFIF revision|Unknown Adobe color"
)

_stderr_lock = threading.Lock()


@contextmanager
def decoder_complaints() -> Iterator[list[str]]:
    """Collect what the decoders complain about while the block runs; the list is filled when the block ends.

    Lines of others, written meanwhile by another thread, are passed on. One block runs at a time in a process, for
    there is one stderr.
    """
    complaints: list[str] = []
    with _stderr_lock, _memory_file() as heard:
        stderr = _duplicate_of_stderr()
        os.dup2(heard, 2)
        try:
            yield complaints
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            if os.fstat(heard).st_size:
                complaints.extend(_sorted_out(os.pread(heard, os.fstat(heard).st_size, 0)))


def _sorted_out(said: bytes) -> Iterator[str]:
    """Yield the complaints among the lines, and pass on the lines that are no decoder's."""
    for line in said.splitlines(keepends=True):
        if not OF_A_DECODER.search(line):
            os.write(2, line)
        elif not HARMLESS.search(line):
            yield line.decode("ascii", "replace").strip()


def _duplicate_of_stderr() -> int:
    try:
        return os.dup(2)
    except OSError:  # closed, as in a daemon: what would go there goes nowhere
        return os.open(os.devnull, os.O_WRONLY)


@contextmanager
def _memory_file() -> Iterator[int]:
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("decoder")
        try:
            yield descriptor
        finally:
            os.close(descriptor)
    else:
        with tempfile.TemporaryFile() as stream:
            yield stream.fileno()
