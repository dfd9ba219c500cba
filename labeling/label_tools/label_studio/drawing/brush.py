"""Label Studio's brush masks: run lengths of RGBA values, packed as bits. They are not COCO's run lengths.

A header of 53 bits tells the number of values (height x width x 4), the bits of a value, and four sizes in bits. Then
come records: one bit tells a run from a row of single values, two bits which of the four sizes the length has, then
the length less one, then the value, or the values. The mask is the fourth channel, alpha.
Source: rle-pack of thi.ng/umbrella, which the brush of Label Studio's page calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Mask
from curation.quarantine import BadRecord, Code

HEADER_BITS: Final = 53
SIZES: Final = (3, 4, 8, 16)
"""Bits of a length, of which a record names one: what the page and the converter of Label Studio write."""
VALUE_BITS: Final = 8
CHANNELS: Final = 4
ALPHA_ON: Final = 128
"""A pixel is person from here on: the page draws edges without half-covered pixels, so that it is 0 or 255."""
BLOCK_BYTES: Final = 1 << 15
"""Records are looked for in blocks of this many bytes, so that a hostile length cannot ask for memory."""

Bits: Any = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What the first 53 bits say."""

    values: int
    value_bits: int
    sizes: tuple[int, ...]


def encode_brush(mask: Mask) -> list[int]:
    """Return a mask (h, w), where everything above 0 is person, as the bytes of a brush region.

    All four channels hold 255 where person is. The bytes are those that the converter of Label Studio's SDK gives.

    >>> encode_brush(np.zeros((1, 1), np.uint8))
    [0, 0, 0, 4, 57, 27, 252, 96, 0]
    """
    assert mask.ndim == 2, f"expected (h, w), got {mask.shape}"
    flat = mask.ravel() != 0
    starts = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]])) if flat.size else np.zeros(0, np.int64)
    lengths = CHANNELS * np.diff(np.append(starts, flat.size))
    lengths, values = _split_long(lengths, values=flat[starts] * 255)
    sizes = np.array(SIZES)
    which = np.searchsorted(1 << sizes[:-1], lengths)  # the first of the four that holds the length
    length_bits = sizes[which]
    records = ((4 | which) << (length_bits + VALUE_BITS)) | ((lengths - 1) << VALUE_BITS) | values
    bits = np.concatenate([_header_bits(CHANNELS * flat.size), _bits_of(records, widths=3 + length_bits + VALUE_BITS)])
    packed: list[int] = np.packbits(bits).tolist()
    return packed if len(bits) % 8 else [*packed, 0]


def decode_brush(rle: Sequence[int] | bytes, *, height: int, width: int, file: str = "") -> Mask:
    """Return the mask (height, width) of 0 and 255 that the bytes of a brush region hold.

    Nothing of the size that the bytes claim is allocated before it was found to be height x width x 4.
    Raises BadRecord: BRUSH_RLE.
    """
    data = _bytes_of(rle, file=file)
    header = _header(data, file=file)
    expected = height * width * CHANNELS
    if header.values != expected or expected == 0:
        raise _broken(f"holds {header.values:,} values, {height} x {width} x 4 = {expected:,} were expected", file=file)
    mask = np.zeros(height * width, np.uint8)
    place = 0
    for lengths, values in _runs(data, header=header, file=file):
        ends = place + np.cumsum(lengths)
        if ends[-1] > expected:
            raise _broken(f"its runs hold more than {expected:,} values", file=file)
        # of the values from start to end, every fourth is an alpha: the place of a pixel is a quarter of its alpha's
        bounds = np.concatenate([[place], ends]) // CHANNELS
        on = np.where(values >= ALPHA_ON, np.uint8(255), np.uint8(0))
        mask[bounds[0] : bounds[-1]] = np.repeat(on, np.diff(bounds))
        place = int(ends[-1])
    return mask.reshape(height, width)


def _split_long(lengths: Bits, *, values: Bits) -> tuple[Bits, Bits]:
    """Cut runs that no size can hold into full ones and a rest."""
    longest = 1 << SIZES[-1]
    pieces = np.maximum(1, -(-lengths // longest))
    cut = np.repeat(np.full(len(lengths), longest), pieces) if pieces.size else lengths
    cut[np.cumsum(pieces) - 1] = lengths - (pieces - 1) * longest
    return cut, np.repeat(values, pieces)


def _header_bits(values: int) -> NDArray[np.uint8]:
    fields = np.array([values, VALUE_BITS - 1, *(size - 1 for size in SIZES)])
    return _bits_of(fields, widths=np.array([32, 5, 4, 4, 4, 4]))


def _bits_of(numbers: Bits, *, widths: Bits) -> NDArray[np.uint8]:
    """Return the lowest `widths` bits of each number, the highest first, one after the other."""
    aligned = (numbers.astype(np.uint64) << (32 - widths).astype(np.uint64)).astype(">u4")
    bits = np.unpackbits(aligned.view(np.uint8)).reshape(-1, 32)
    used: NDArray[np.uint8] = bits[np.arange(32) < widths[:, None]]
    return used


def _bytes_of(rle: Sequence[int] | bytes, *, file: str) -> NDArray[np.uint8]:
    if isinstance(rle, bytes):
        return np.frombuffer(rle, np.uint8)
    try:
        return np.frombuffer(bytes(rle), np.uint8)
    except (TypeError, ValueError) as error:
        raise _broken(f"its elements are no bytes: {error}", file=file) from error


def _header(data: NDArray[np.uint8], *, file: str) -> Header:
    if 8 * len(data) < HEADER_BITS:
        raise _broken(f"{len(data)} bytes are too few for its header", file=file)
    number = int.from_bytes(data[:7].tobytes(), "big") >> 56 - HEADER_BITS
    sizes = tuple((number >> shift & 15) + 1 for shift in (12, 8, 4, 0))
    header = Header(values=number >> 21, value_bits=(number >> 16 & 31) + 1, sizes=sizes)
    if header.value_bits != VALUE_BITS:
        raise _broken(f"its values have {header.value_bits} bits, 8 were expected", file=file)
    return header


def _runs(data: NDArray[np.uint8], *, header: Header, file: str) -> Iterator[tuple[Bits, Bits]]:
    """Yield lengths and values, (n,) each, of all runs in the bytes `data` (m,), by block; one value is a run of 1."""
    position, left = HEADER_BITS, header.values
    while left > 0:
        starts, position = _record_starts(data, position=position, header=header, left=left)
        if starts.size == 0:
            raise _broken(f"it ends {left:,} values too early", file=file)
        is_run, lengths, value_starts = _records(data, starts=starts, header=header)
        single = ~is_run
        repeats = np.where(single, lengths, 1)
        if (value_starts[-1] + VALUE_BITS * int(repeats[-1])) > 8 * len(data):
            raise _broken("it ends inside a record", file=file)
        within = np.arange(repeats.sum()) - np.repeat(np.cumsum(repeats) - repeats, repeats)
        values = _window(data, np.repeat(value_starts, repeats) + VALUE_BITS * within) >> 24
        run_lengths = np.repeat(np.where(single, 1, lengths), repeats)
        left -= int(run_lengths.sum())
        yield run_lengths, values


def _record_starts(data: NDArray[np.uint8], *, position: int, header: Header, left: int) -> tuple[Bits, int]:
    """Return the bits (n,) of `data` (m,) at which the records of one block start, and that of the next block's first.

    To follow the records is all that has to be done one by one; what they hold is looked up for all at once.
    """
    first = position // 8
    windows = _wide(data, first=first, last=min(first + BLOCK_BYTES, len(data)) - 1).tolist()
    origin, limit = 8 * first, 8 * min(first + BLOCK_BYTES, len(data))
    sizes, starts = header.sizes, []
    while position < limit and left > 0:
        starts.append(position)
        bits = windows[position - origin >> 3] >> 8 - (position & 7)
        size = sizes[bits >> 29 & 3]
        length = (bits >> 29 - size & (1 << size) - 1) + 1
        left -= length
        position += 3 + size + VALUE_BITS * (1 if bits >> 31 & 1 else length)
    return np.array(starts, dtype=np.int64), position


def _records(data: NDArray[np.uint8], *, starts: Bits, header: Header) -> tuple[NDArray[np.bool_], Bits, Bits]:
    """Return of each record at bits (n,) of `data` (m,): whether it is a run, its length, its first value's bit."""
    windows = _window(data, starts)
    length_bits = np.array(header.sizes)[windows >> 29 & 3]
    lengths = ((windows << 3 & 0xFFFFFFFF) >> (32 - length_bits)) + 1
    return windows >> 31 == 1, lengths, starts + 3 + length_bits


def _window(data: NDArray[np.uint8], positions: Bits) -> Bits:
    """Return the 32 bits that start at each position (n,), in bits, of `data` (m,); after the end come zeros."""
    first, last = int(positions.min()) // 8, int(positions.max()) // 8
    wide = _wide(data, first=first, last=last)
    return wide[positions // 8 - first] >> (8 - positions % 8) & 0xFFFFFFFF


def _wide(data: NDArray[np.uint8], *, first: int, last: int) -> Bits:
    """Return the 40 bits that start at each byte of `data` (m,) from `first` to `last`; after the end come zeros."""
    part = np.zeros(max(0, last - first + 1) + 4, np.int64)
    known = data[first : last + 5]
    part[: len(known)] = known
    return part[:-4] << 32 | part[1:-3] << 24 | part[2:-2] << 16 | part[3:-1] << 8 | part[4:]


def _broken(reason: str, *, file: str) -> BadRecord:
    return BadRecord(Code.BRUSH_RLE, f"the brush mask is malformed: {reason}", file=file, field="rle")
