"""One COCO outline, checked in Python before native code sees it: bad ones crash, hang or read foreign memory there.

Formats: polygons `[[x1, y1, x2, y2, ...], ...]` in pixels; run lengths `{"size": [height, width], "counts": ...}`,
counts as a list or as compressed text. Source: pycocotools, common/maskApi.h and common/maskApi.c.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from curation.quarantine import BadRecord, Code
from curation.sources.coco.json_file import NotStrict, loads_strictly

MAX_POINTS: Final = 100_000
"""Points of one polygon; COCO's longest has some thousands."""
MAX_COORDINATE: Final = 1e5
"""Beyond this the rasteriser allocates hundreds of megabytes for one line, at 1e8 it crashes."""
SHARES_HINT: Final = (
    "converters of YOLO files write shares; multiply each x by the width of the image, each y by its height, and write "
    "pixels"
)
MAX_EDGE: Final = 100
"""Pixels of edge of one outline, as |dx| + |dy|, for each pixel of the image's width and height together.

The rasteriser walks along the edge in fifths of pixels. A scribble of 20,000 strokes across a large image took it
8 GB and a minute and a half, one of 100,000 crashed it; outlines of real people stay below 10.
"""
MAX_OUTLINE_BYTES: Final = 8_000_000
"""Of the JSON text of one outline; twice of what a polygon of `MAX_POINTS` takes with all digits of a float."""
MIN_NUMBERS: Final = 6
"""Three points. Four numbers would silently be taken as a box."""
MAX_COUNT: Final = 2**32 - 1
"""Run lengths are 32-bit unsigned in native code; larger ones wrap around."""
CHARACTERS_PER_COUNT: Final = 7
"""5 bits each: what a 32-bit count needs."""
FIRST_CHARACTER: Final = 48

Polygons: TypeAlias = list[list[float]]
Runs: TypeAlias = NDArray[np.int64]
"""(n,) lengths in pixels of runs of background, person, ... down the columns; adding up to height x width."""


class _PlainRuns(msgspec.Struct):
    size: tuple[int, int]
    counts: list[Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]]


POLYGONS: Final = msgspec.json.Decoder(Polygons)
_PLAIN_RUNS: Final = msgspec.json.Decoder(_PlainRuns)


def read_segmentation(raw: msgspec.Raw | bytes, *, size: tuple[int, int]) -> Polygons | Runs:
    """Return the checked outline of a raw `segmentation` in an image of `size` (height, width).

    Raises BadRecord: EMPTY_SEG, POLY_SHAPE, POLY_RANGE, RLE_SIZE, RLE_TOTAL, RLE_DECODE, JSON_VALUE (a key twice).

    >>> read_segmentation(b"[[0, 0, 4, 0, 4, 3]]", size=(10, 10))
    [[0.0, 0.0, 4.0, 0.0, 4.0, 3.0]]
    """
    if len(raw) > MAX_OUTLINE_BYTES:
        reason = f"the outline has {len(raw):,} bytes of text; the limit is {MAX_OUTLINE_BYTES:,}"
        raise _bad(Code.POLY_SHAPE if bytes(raw).startswith(b"[") else Code.RLE_DECODE, reason)
    try:
        polygons = POLYGONS.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return _read_other(bytes(raw), size=size)
    check_polygons(polygons, size=size)
    return polygons


def check_polygons(polygons: Polygons, *, size: tuple[int, int]) -> None:
    """Raise BadRecord: EMPTY_SEG, POLY_SHAPE, POLY_RANGE, ZERO_AREA, unless every polygon can be drawn.

    Points outside the image by less than its size are fine: annotators overshoot, and the rasteriser clips.
    """
    if not any(polygons):
        raise _bad(Code.EMPTY_SEG, "there is no outline", value=polygons)
    height, width = size
    near = min(height, width, MAX_COORDINATE / 2)
    for index, polygon in enumerate(polygons):
        if len(polygon) < MIN_NUMBERS or len(polygon) % 2:
            reason = f"polygon {index} has {len(polygon)} numbers; it needs an even count of at least {MIN_NUMBERS}"
            raise _bad(Code.POLY_SHAPE, reason, value=polygon)
        if len(polygon) > 2 * MAX_POINTS:
            reason = f"polygon {index} has {len(polygon) // 2:,} points; the limit is {MAX_POINTS:,}"
            raise _bad(Code.POLY_SHAPE, reason)
        if -near <= min(polygon) and max(polygon) <= 2 * near:
            continue  # neither x nor y is far outside; JSON has no NaN
        for name, values, side in (("x", polygon[0::2], width), ("y", polygon[1::2], height)):
            low, high = min(values), max(values)
            # written so that a NaN fails as well
            if not (-side <= low and high <= 2 * side and low >= -MAX_COORDINATE and high <= MAX_COORDINATE):
                value = high if -side <= low and low >= -MAX_COORDINATE else low
                reason = f"polygon {index} has {name} = {value:g} in an image of {width} x {height}"
                raise _bad(Code.POLY_RANGE, reason, value=value)
    if _are_shares(polygons) and min(size) > 1:
        reason = "the coordinates are shares of the frame, from 0 to 1, and cover no pixel of the image"
        raise BadRecord(Code.ZERO_AREA, reason, field="segmentation", value=polygons, hint=SHARES_HINT)
    _check_edge(polygons, size=size)


def _are_shares(polygons: Polygons) -> bool:
    # the first numbers of an outline in pixels settle it
    return all(0 <= number <= 1 for polygon in polygons for number in polygon)


def _check_edge(polygons: Polygons, *, size: tuple[int, int]) -> None:
    limit = MAX_EDGE * sum(size)
    # no edge is longer than this; only what is odd is measured
    if sum(map(len, polygons)) / 2 * 3 * sum(size) <= limit:
        return
    edge = sum(abs(here - there) for one in polygons for here, there in zip(one, [*one[2:], *one[:2]], strict=True))
    if edge > limit:
        reason = f"the outline is {edge:,.0f} pixels long, back and forth; the limit is {limit:,} in this image"
        raise _bad(Code.POLY_RANGE, reason)


def decode_counts(text: str, *, total: int) -> Runs:
    """Decode compressed run lengths that must add up to `total` pixels.

    Each character holds 5 bits above 48 and a bit for "more follows"; from the fourth count on, the difference to the
    count two before is stored. Source: `rleFrString` in maskApi.c, which checks nothing of this.
    Raises BadRecord: RLE_DECODE.

    >>> decode_counts("032O7", total=16).tolist()
    [0, 3, 2, 2, 9]
    """
    if not text or not text.isascii():
        raise _bad(Code.RLE_DECODE, "the compressed counts are empty or not ASCII", value=text)
    symbols = np.frombuffer(text.encode("ascii"), np.uint8).astype(np.int64) - FIRST_CHARACTER
    if symbols.min() < 0 or symbols.max() >= 64:
        raise _bad(Code.RLE_DECODE, "a character of the compressed counts is none of '0' to 'o'", value=text)
    runs = _undo_differences(_join_symbols(symbols, text=text))
    if runs.min() < 0 or runs.max() > total or int(runs.sum()) != total:
        reason = f"the compressed counts decode to runs that do not fill the {total:,} pixels of the image"
        raise _bad(Code.RLE_DECODE, reason, value=text)
    return runs


def canonical(runs: Runs) -> Runs:
    """Return the same runs with no empty one but the first: two empty ones that meet end native merging too early.

    >>> canonical(np.array([2, 0, 3, 4, 0])).tolist()
    [5, 4]
    """
    if len(runs) < 2 or runs[1:].all():
        return runs
    is_person = np.arange(len(runs)) % 2
    kept, values = runs[runs > 0], is_person[runs > 0]
    if len(kept) == 0:
        return runs[:1]
    starts = np.flatnonzero(np.diff(values, prepend=-1))
    joined = np.add.reduceat(kept, starts)
    return np.concatenate(([0], joined)) if values[0] else joined


def _read_other(text: bytes, *, size: tuple[int, int]) -> Runs:
    # everything that is not a list of lists of numbers
    quick = _read_runs_quickly(text, size=size)
    if quick is not None:
        return quick
    try:
        found = loads_strictly(text or b"null")
    except NotStrict as error:
        raise _bad(Code.JSON_VALUE, str(error)) from error
    except RecursionError as error:
        raise _bad(Code.POLY_SHAPE, "nested too deep") from error
    if found is None or found in ([], "", {}):
        raise _bad(Code.EMPTY_SEG, "there is no outline", value=found)
    if isinstance(found, dict):
        return _read_runs(found, size=size)
    if _is_out_of_range(found):
        raise _bad(Code.POLY_RANGE, "a coordinate is too large for any number type", value=found)
    raise _bad(Code.POLY_SHAPE, "neither a list of flat lists of numbers nor run lengths", value=found)


def _read_runs_quickly(text: bytes, *, size: tuple[int, int]) -> Runs | None:
    # plain counts of a crowd, some thousand numbers: without an object for each
    if text.count(b'"counts"') != 1 or text.count(b'"size"') != 1 or b"\\" in text:
        return None
    try:
        found = _PLAIN_RUNS.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    runs = np.array(found.counts, np.int64)
    return runs if found.size == size and sum(found.counts) == size[0] * size[1] else None


def _is_out_of_range(found: object) -> bool:
    # of the right shape, so that only the size of a number can have been refused
    return isinstance(found, list) and all(
        isinstance(part, list) and all(isinstance(item, int | float) and not isinstance(item, bool) for item in part)
        for part in found
    )


def _read_runs(found: dict[str, Any], *, size: tuple[int, int]) -> Runs:
    claimed, counts = found.get("size"), found.get("counts")
    if counts is None:
        raise _bad(Code.EMPTY_SEG, "there are no counts", value=found)
    is_pair = isinstance(claimed, list) and len(claimed) == 2 and all(_is_whole(side) for side in claimed)
    if not is_pair or claimed != list(size):
        reason = f"the size is not that of the image, [{size[0]}, {size[1]}] (height, width)"
        raise _bad(Code.RLE_SIZE, reason, value=claimed)
    total = size[0] * size[1]
    if isinstance(counts, str):
        return decode_counts(counts, total=total)
    return _check_counts(counts, total=total)


def _check_counts(counts: object, *, total: int) -> Runs:
    if not isinstance(counts, list) or not all(_is_whole(count) and 0 <= count <= MAX_COUNT for count in counts):
        raise _bad(Code.RLE_TOTAL, "the counts are not all whole numbers from 0 to 2^32 - 1", value=counts)
    if sum(counts) != total:
        reason = f"the counts add up to {sum(counts):,}, the image has {total:,} pixels"
        raise _bad(Code.RLE_TOTAL, reason, value=counts)
    return np.array(counts, np.int64)


def _join_symbols(symbols: NDArray[np.int64], *, text: str) -> NDArray[np.int64]:
    # 5 bits a symbol, lowest first; the last symbol of a number has no 0x20, and carries the sign in 0x10
    ends = np.flatnonzero((symbols & 0x20) == 0)
    if len(ends) == 0 or ends[-1] != len(symbols) - 1:
        raise _bad(Code.RLE_DECODE, "the compressed counts end in the middle of a number", value=text)
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    if lengths.max() > CHARACTERS_PER_COUNT:
        raise _bad(Code.RLE_DECODE, "a number of the compressed counts is too long", value=text)
    places = np.arange(len(symbols)) - np.repeat(starts, lengths)
    numbers: NDArray[np.int64] = np.add.reduceat((symbols & 0x1F) << (5 * places), starts)
    is_negative = (symbols[ends] & 0x10) != 0
    return np.where(is_negative, numbers - (np.int64(1) << (5 * lengths)), numbers)


def _undo_differences(numbers: NDArray[np.int64]) -> Runs:
    runs = numbers.copy()
    runs[1::2] = np.cumsum(numbers[1::2])
    runs[2::2] = np.cumsum(numbers[2::2])
    return runs


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _bad(code: Code, reason: str, *, value: object = None) -> BadRecord:
    return BadRecord(code, reason, field="segmentation", value=value)
