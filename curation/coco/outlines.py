"""Bounds on the pixels of many outlines at once, so that most need not be drawn.

A polygon's enclosed area follows from its corners (the shoelace formula), its pixels differ from that only along its
edge. For polygons that cross themselves the area is only a bound on one side; see `_bounds_of_polygons`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from curation.coco.polygon_text import FlatPolygons, read_plain_polygons
from curation.coco.raster import count_pixels, rasterise
from curation.coco.segmentation import (
    MANY_POLYGONS,
    MAX_COORDINATE,
    MAX_EDGE,
    MAX_OUTLINE_BYTES,
    MAX_POINTS,
    MIN_NUMBERS,
    POLYGONS,
    Polygons,
    read_segmentation,
)
from curation.coco.unions import least_union
from curation.quarantine import BadRecord, Code

CHUNK: Final = 1024
"""Outlines measured together: enough to hide numpy's cost per call, few enough to stay in the processor's cache."""
EDGE_SHARE: Final = 0.5
"""Pixels by which a drawn polygon may differ from its area, per pixel of its edge (|dx| + |dy|).

Half a pixel along the whole edge; on real COCO persons the largest seen is 0.19.
"""
EDGE_PIXELS: Final = 4.0
EDGE_LEFT: Final = 0.99
"""Of the longest edge allowed; an outline closer to it is looked at by itself."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OutlineBounds:
    """For each outline: at least `lower` and at most `upper` pixels inside the frame. Broken ones have both 0.

    `boxes` holds left, top, right, bottom of each, in pixels; no pixel of the outline lies outside.
    """

    lower: Floats
    upper: Floats
    boxes: Floats
    broken: dict[int, BadRecord]


class _PolygonBounds(NamedTuple):
    lower: Floats
    upper: Floats
    boxes: Floats
    is_certain: NDArray[np.bool_]


def measure_outlines(raws: Sequence[bytes], *, sizes: Integers) -> OutlineBounds:
    """Bound the pixels of raw outlines; `sizes` holds (height, width) of the image of each.

    Every outline is checked, as by `read_segmentation`; one that covers no pixel is broken as ZERO_AREA.
    """
    whole_frames = np.zeros((len(raws), 4))
    whole_frames[:, 2:] = sizes[:, ::-1]
    bounds = OutlineBounds(lower=np.zeros(len(raws)), upper=np.zeros(len(raws)), boxes=whole_frames, broken={})
    is_certain = np.zeros(len(raws), np.bool_)
    for start in range(0, len(raws), CHUNK):
        for places, polygons in _read_polygons(raws[start : start + CHUNK]):
            rows = start + places
            found = _bounds_of_polygons(polygons, sizes=sizes[rows])
            bounds.lower[rows], bounds.upper[rows], bounds.boxes[rows] = found.lower, found.upper, found.boxes
            is_certain[rows] = found.is_certain
    for row in np.flatnonzero(~is_certain).tolist():
        _draw(bounds, row=row, raw=raws[row], size=sizes[row])
    return bounds


def _draw(bounds: OutlineBounds, *, row: int, raw: bytes, size: Integers) -> None:
    frame = (int(size[0]), int(size[1]))
    bounds.lower[row] = bounds.upper[row] = 0
    try:
        outline = read_segmentation(raw, size=frame)
        # the pixels of run lengths are counted without drawing: every second run is person
        if isinstance(outline, np.ndarray):
            pixels = int(outline[1::2].sum())
        else:
            pixels = count_pixels(rasterise([outline], size=frame))
        if pixels == 0:
            raise BadRecord(Code.ZERO_AREA, "the outline covers no pixel of the image", field="segmentation")
    except BadRecord as error:
        bounds.broken[row] = error
    else:
        bounds.lower[row] = bounds.upper[row] = pixels


def _read_polygons(raws: Sequence[bytes]) -> Iterator[tuple[Integers, FlatPolygons]]:
    # which of the outlines hold polygons of a sound shape, and these; run lengths and broken ones are left to `_draw`
    if max(map(len, raws)) > MAX_OUTLINE_BYTES:
        raws = [raw if len(raw) <= MAX_OUTLINE_BYTES else b"" for raw in raws]
    plain, polygons = read_plain_polygons(raws)
    if len(plain):
        yield plain, polygons
    others = np.setdiff1d(np.arange(len(raws)), plain)
    decoded = _decoded([raws[row] for row in others.tolist()])
    found = [(row, outline) for row, outline in zip(others.tolist(), decoded, strict=True) if _has_shape(outline)]
    if found:
        rows, outlines = zip(*found, strict=True)
        yield np.array(rows), _flat(outlines)


def _decoded(raws: list[bytes]) -> Sequence[Polygons | None]:
    # thousands of outlines in one call take half the time; one that is no list of polygons spoils it for all
    try:
        outlines = MANY_POLYGONS.decode(b"[%b]" % b",".join(raws))
    except (msgspec.DecodeError, RecursionError):
        return [_decoded_alone(raw) for raw in raws]
    # a single absent outline leaves an empty list
    return outlines if len(outlines) == len(raws) else [None] * len(raws)


def _decoded_alone(raw: bytes) -> Polygons | None:
    try:
        return POLYGONS.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return None


def _has_shape(outline: Polygons | None) -> bool:
    return bool(outline) and all(
        MIN_NUMBERS <= len(polygon) <= 2 * MAX_POINTS and len(polygon) % 2 == 0 for polygon in outline or ()
    )


def _flat(outlines: Sequence[Polygons]) -> FlatPolygons:
    lengths = np.fromiter(map(len, chain.from_iterable(outlines)), np.int64)
    numbers = np.fromiter(chain.from_iterable(chain.from_iterable(outlines)), np.float64, int(lengths.sum()))
    return FlatPolygons(numbers, lengths, np.fromiter(map(len, outlines), np.int64))


def _bounds_of_polygons(polygons: FlatPolygons, *, sizes: Integers) -> _PolygonBounds:
    """Give lower and upper bounds on the pixels of each outline, the box around it, and whether these are certain.

    Drawing fills where an edge has been crossed an odd number of times. Cut into triangles from any centre, the outline
    covers at most the triangles: that is the upper bound, as is the box. The signed area is a lower bound unless the
    outline winds around a place twice; then it is not used.
    """
    x, y, lengths = polygons.numbers[0::2], polygons.numbers[1::2], polygons.lengths // 2
    starts = np.concatenate(([0], np.cumsum(lengths)[:-1]))
    frame = np.repeat(sizes, polygons.counts, axis=0)
    left, right = np.minimum.reduceat(x, starts), np.maximum.reduceat(x, starts)
    top, bottom = np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts)
    is_sound = _is_within(left, right, side=frame[:, 1]) & _is_within(top, bottom, side=frame[:, 0])
    inside = (left >= -1) & (top >= -1) & (right <= frame[:, 1] + 1) & (bottom <= frame[:, 0] + 1)
    area, triangles, edge, winding = _measure(x, y, starts=starts, lengths=lengths)
    margin = EDGE_SHARE * edge + EDGE_PIXELS
    boxes = np.stack((left - 1, top - 1, right + 1, bottom + 1), axis=1)
    has_bound = inside & (winding <= 1)
    lower = np.where(has_bound, np.maximum(area - margin, 0), 0)
    upper = np.minimum(triangles + margin, (boxes[:, 2:] - boxes[:, :2]).prod(axis=1))
    firsts = np.concatenate(([0], np.cumsum(polygons.counts)[:-1]))
    is_certain = np.logical_and.reduceat(is_sound, firsts)
    is_certain &= np.add.reduceat(edge, firsts) < EDGE_LEFT * MAX_EDGE * sizes.sum(axis=1)
    # a polygon thinner than this may fall between the pixel centres
    is_certain &= np.logical_or.reduceat(has_bound & (area > edge / 2 + 1), firsts)
    owners = np.repeat(np.arange(len(sizes)), polygons.counts)
    return _PolygonBounds(
        least_union(lower, boxes=boxes, owners=owners, count=len(sizes)),
        np.add.reduceat(upper, firsts),
        np.hstack((np.minimum.reduceat(boxes[:, :2], firsts), np.maximum.reduceat(boxes[:, 2:], firsts))),
        is_certain,
    )


def _is_within(low: Floats, high: Floats, *, side: Integers) -> NDArray[np.bool_]:
    return (low >= -side) & (high <= 2 * side) & (np.maximum(-low, high) <= MAX_COORDINATE)


def _measure(x: Floats, y: Floats, *, starts: Integers, lengths: Integers) -> tuple[Floats, Floats, Floats, Integers]:
    # for each polygon: |signed area|, area of the triangles from the mean corner, edge as |dx| + |dy|, turns around it
    ends = starts + lengths - 1
    u = x - np.repeat(np.add.reduceat(x, starts) / lengths, lengths)
    v = y - np.repeat(np.add.reduceat(y, starts) / lengths, lengths)
    next_u, next_v = np.roll(u, -1), np.roll(v, -1)
    next_u[ends], next_v[ends] = u[starts], v[starts]
    cross = u * next_v - next_u * v
    area = np.abs(np.add.reduceat(cross, starts)) / 2
    triangles = np.add.reduceat(np.abs(cross), starts) / 2
    edge = np.add.reduceat(np.abs(next_u - u) + np.abs(next_v - v), starts)
    # winding number by signed crossings of the ray to the right (Sunday 2001)
    rises = (v <= 0) & (next_v > 0) & (cross > 0)
    falls = (v > 0) & (next_v <= 0) & (cross < 0)
    turns = np.abs(np.add.reduceat(rises.astype(np.int64) - falls, starts))
    return area, triangles, edge, turns
