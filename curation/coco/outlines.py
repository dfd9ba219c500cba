"""Bounds on the pixels of many outlines at once, so that most need not be drawn.

A polygon's enclosed area follows from its corners (the shoelace formula), its pixels differ from that only along its
edge. For polygons that cross themselves the area is only a bound on one side; see `_bounds_of_polygons`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final, NamedTuple, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from curation.coco.raster import count_pixels, rasterise
from curation.coco.segmentation import (
    MANY_POLYGONS,
    MAX_COORDINATE,
    MAX_POINTS,
    MIN_NUMBERS,
    POLYGONS,
    Polygons,
    read_segmentation,
)
from curation.coco.unions import least_union
from curation.quarantine import BadRecord, Code

CHUNK: Final = 4096
"""Outlines measured together: enough to hide numpy's cost per call, few enough to stay in some megabytes."""
EDGE_SHARE: Final = 0.5
"""Pixels by which a drawn polygon may differ from its area, per pixel of its edge (|dx| + |dy|).

Half a pixel along the whole edge; on real COCO persons the largest seen is 0.19.
"""
EDGE_PIXELS: Final = 4.0

Floats = NDArray[np.float64]
RawJson: TypeAlias = msgspec.Raw | bytes


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


def measure_outlines(raws: Sequence[RawJson], *, sizes: NDArray[np.int64]) -> OutlineBounds:
    """Bound the pixels of raw outlines; `sizes` holds (height, width) of the image of each.

    Every outline is checked, as by `read_segmentation`; one that covers no pixel is broken as ZERO_AREA.
    """
    whole_frames = np.zeros((len(raws), 4))
    whole_frames[:, 2:] = sizes[:, ::-1]
    bounds = OutlineBounds(lower=np.zeros(len(raws)), upper=np.zeros(len(raws)), boxes=whole_frames, broken={})
    for start in range(0, len(raws), CHUNK):
        chunk = range(start, min(start + CHUNK, len(raws)))
        rows, polygons = _decode_polygons(raws, rows=chunk)
        found = _bounds_of_polygons(polygons, sizes=sizes[rows])
        bounds.lower[rows], bounds.upper[rows], bounds.boxes[rows] = found.lower, found.upper, found.boxes
        doubtful = set(chunk) - set(rows[found.is_certain].tolist())
        for row in sorted(doubtful):
            _draw(bounds, row=row, raw=raws[row], size=sizes[row])
    return bounds


def _draw(bounds: OutlineBounds, *, row: int, raw: RawJson, size: NDArray[np.int64]) -> None:
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


def _decode_polygons(raws: Sequence[RawJson], *, rows: range) -> tuple[NDArray[np.int64], list[Polygons]]:
    # the rows that hold polygons of a sound shape, and these; run lengths and broken ones are left to `_draw`
    found: list[int] = []
    outlines: list[Polygons] = []
    for row, outline in zip(rows, _decoded([raws[row] for row in rows]), strict=True):
        if outline:
            found.append(row)
            outlines.append(outline)
    numbers = np.fromiter(map(len, chain.from_iterable(outlines)), np.int64)
    is_bad = (numbers < MIN_NUMBERS) | (numbers > 2 * MAX_POINTS) | (numbers % 2 == 1)
    if is_bad.any():
        bad = set(np.repeat(np.arange(len(outlines)), [len(outline) for outline in outlines])[is_bad].tolist())
        found = [row for index, row in enumerate(found) if index not in bad]
        outlines = [outline for index, outline in enumerate(outlines) if index not in bad]
    return np.array(found, np.int64), outlines


def _decoded(raws: list[RawJson]) -> Sequence[Polygons | None]:
    # thousands of outlines in one call take half the time; one that is no list of polygons spoils it for all
    try:
        outlines = MANY_POLYGONS.decode(b"[%b]" % b",".join(raws))
    except (msgspec.DecodeError, RecursionError):
        return [_decoded_alone(raw) for raw in raws]
    # a single absent outline leaves an empty list
    return outlines if len(outlines) == len(raws) else [None] * len(raws)


def _decoded_alone(raw: RawJson) -> Polygons | None:
    try:
        return POLYGONS.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return None


def _bounds_of_polygons(outlines: list[Polygons], *, sizes: NDArray[np.int64]) -> _PolygonBounds:
    """Give lower and upper bounds on the pixels of each outline, the box around it, and whether these are certain.

    Drawing fills where an edge has been crossed an odd number of times. Cut into triangles from any centre, the outline
    covers at most the triangles: that is the upper bound, as is the box. The signed area is a lower bound unless the
    outline winds around a place twice; then it is not used.
    """
    if not outlines:
        return _PolygonBounds(np.zeros(0), np.zeros(0), np.zeros((0, 4)), np.zeros(0, np.bool_))
    lengths = np.fromiter(map(len, chain.from_iterable(outlines)), np.int64) // 2
    numbers = np.fromiter(chain.from_iterable(chain.from_iterable(outlines)), np.float64, 2 * int(lengths.sum()))
    x, y = numbers[0::2], numbers[1::2]
    starts = np.concatenate(([0], np.cumsum(lengths)[:-1]))
    parts_of = np.fromiter(map(len, outlines), np.int64)
    frame = np.repeat(sizes, parts_of, axis=0)
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
    firsts = np.concatenate(([0], np.cumsum(parts_of)[:-1]))
    is_certain = np.logical_and.reduceat(is_sound, firsts)
    # a polygon thinner than this may fall between the pixel centres
    is_certain &= np.logical_or.reduceat(has_bound & (area > edge / 2 + 1), firsts)
    owners = np.repeat(np.arange(len(outlines)), parts_of)
    return _PolygonBounds(
        least_union(lower, boxes=boxes, owners=owners, count=len(outlines)),
        np.add.reduceat(upper, firsts),
        np.hstack((np.minimum.reduceat(boxes[:, :2], firsts), np.maximum.reduceat(boxes[:, 2:], firsts))),
        is_certain,
    )


def _is_within(low: Floats, high: Floats, *, side: NDArray[np.int64]) -> NDArray[np.bool_]:
    return (low >= -side) & (high <= 2 * side) & (np.maximum(-low, high) <= MAX_COORDINATE)


def _measure(
    x: Floats, y: Floats, *, starts: NDArray[np.int64], lengths: NDArray[np.int64]
) -> tuple[Floats, Floats, Floats, NDArray[np.int64]]:
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
