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


def keys_of_texts(texts: Iterable[str]) -> Keys:
    """Return the keys of texts; they may hold what no UTF-8 can, as names of files do."""
    return keys_of(text.encode("utf-8", "surrogatepass") for text in texts)


def by_first_half(keys: Keys) -> NDArray[np.int64]:
    """Return the order in which `places_of` finds keys; equal ones keep their order."""
    return np.argsort(keys[:, 0], kind="stable")


def places_of(wanted: Keys, *, among: Keys) -> NDArray[np.int64]:
    """Return where each key stands among others in the order of `by_first_half`, -1 where it does not.

    >>> keys = keys_of([b"a", b"b"])
    >>> places_of(keys_of([b"b", b"c"]), among=keys[by_first_half(keys)]).tolist() in ([0, -1], [1, -1])
    True
    """
    places = np.searchsorted(among[:, 0], wanted[:, 0])
    found = np.full(len(wanted), -1, dtype=np.int64)
    while True:  # nearly always once: keys whose first halves are equal stand one behind the other
        is_open = (places < len(among)) & (found < 0)
        is_open[is_open] = among[places[is_open], 0] == wanted[is_open, 0]
        if not is_open.any():
            return found
        is_same = is_open.copy()
        is_same[is_open] = among[places[is_open], 1] == wanted[is_open, 1]
        found[is_same] = places[is_same]
        places[is_open] += 1


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
