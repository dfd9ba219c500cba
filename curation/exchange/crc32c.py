"""CRC-32C (Castagnoli) with numpy: TFRecord frames every record with it, and Python's own libraries lack it.

The checksum of a message is a sum (exclusive or) of what each of its bytes gives at its place, so blocks of a fixed
length are looked up byte by byte in tables, all at once; the state moves on from block to block by a table, too.
Source: RFC 3720, appendix B.4 (polynomial 0x1EDC6F41, reflected 0x82F63B78).
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

POLYNOMIAL: Final = 0x82F63B78
BLOCK_BYTES: Final = 1024
ONES: Final = 0xFFFFFFFF
Table = NDArray[np.uint32]


def crc32c(data: bytes) -> int:
    """Return the CRC-32C of some bytes.

    >>> hex(crc32c(b"123456789")), crc32c(b"")
    ('0xe3069283', 0)
    """
    if len(data) < 4:
        return _bytewise(data)
    padded = np.zeros(
        -(-len(data) // BLOCK_BYTES) * BLOCK_BYTES, np.uint8
    )  # zeros in front leave a state of 0 as it is
    start = len(padded) - len(data)
    padded[start:] = np.frombuffer(data, np.uint8)
    padded[start : start + 4] ^= 0xFF  # a state of ones at the start is the same as four bytes turned over
    by_place, onward = _tables()
    places = padded.reshape(-1, BLOCK_BYTES) + 256 * np.arange(BLOCK_BYTES)
    sums = np.bitwise_xor.reduce(by_place.take(places), axis=1)
    state = 0
    for block in sums.tolist():
        state = block ^ _moved(state, onward=onward)
    return state ^ ONES


def _bytewise(data: bytes) -> int:
    table = _one_byte().tolist()
    state = ONES
    for byte in data:
        state = table[(state ^ byte) & 0xFF] ^ (state >> 8)
    return state ^ ONES


def _moved(state: int, *, onward: list[list[int]]) -> int:
    return (
        onward[0][state & 0xFF]
        ^ onward[1][state >> 8 & 0xFF]
        ^ onward[2][state >> 16 & 0xFF]
        ^ onward[3][state >> 24 & 0xFF]
    )


def _one_byte() -> Table:
    """Return the state (256,) after one byte, from a state of 0."""
    states: Table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        states = np.where(states & 1, (states >> 1) ^ np.uint32(POLYNOMIAL), states >> 1).astype(np.uint32)
    return states


@cache
def _tables() -> tuple[Table, list[list[int]]]:
    """Return what a byte gives at each place of a block (block, 256), and what a block of zeros makes of a state.

    The second are 4 tables of 256: one for each byte of the state.
    """
    one_byte = _one_byte()
    by_place = np.empty((BLOCK_BYTES, 256), np.uint32)
    by_place[-1] = one_byte
    for place in range(BLOCK_BYTES - 2, -1, -1):
        after = by_place[place + 1]
        by_place[place] = one_byte[after & 0xFF] ^ (after >> 8)
    moved = []
    for byte in range(4):
        states = np.arange(256, dtype=np.uint32) << np.uint32(8 * byte)
        for _ in range(BLOCK_BYTES):
            states = one_byte[states & 0xFF] ^ (states >> 8)
        moved.append(states.tolist())
    return by_place, moved
