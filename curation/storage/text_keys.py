"""Many texts as 16 bytes each, the same for equal ones: names and hashes of ten million rows fit into memory so."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Keys: TypeAlias = NDArray[np.uint64]
"""N x 2: 16 bytes of the BLAKE2 of each of N texts."""


def keys_of(texts: Iterable[bytes]) -> Keys:
    """Return the keys of texts in UTF-8."""
    data = b"".join([blake2b(text, digest_size=16).digest() for text in texts])
    return np.frombuffer(data, dtype=np.uint64).reshape(-1, 2)


def in_order(keys: Keys) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the order that brings equal keys together, and which of them, in it, equal the one before.

    Equal keys keep their order.
    """
    order = np.lexsort((keys[:, 1], keys[:, 0]))
    is_equal = np.zeros(len(keys), dtype=np.bool_)
    is_equal[1:] = True
    for column in (0, 1):  # one after the other: both at once would take twice the memory
        values = keys[order, column]
        is_equal[1:] &= values[1:] == values[:-1]
    return order, is_equal


def numbered(keys: Keys) -> tuple[NDArray[np.int32], int]:
    """Return a number from 0 for each key, the same for equal ones, and how many different ones there are.

    >>> numbers, count = numbered(keys_of([b"b", b"a", b"b"]))
    >>> bool(numbers[0] == numbers[2] != numbers[1]), count
    (True, 2)
    """
    order, is_equal = in_order(keys)
    numbers = np.empty(len(keys), dtype=np.int32)
    numbers[order] = np.cumsum(~is_equal, dtype=np.int32) - 1
    return numbers, len(keys) - int(is_equal.sum())
