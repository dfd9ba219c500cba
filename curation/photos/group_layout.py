"""Where everybody stands in a group picture: in rows, heads alike and in sight, cut by the picture's edge alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np

from curation.photos.group_figures import HEAD, Alike, Figure, figures_of, visible_cuts
from curation.photos.group_member import Member
from curation.photos.group_rows import (
    are_left_in_front,
    edges_of,
    furthest_first,
    is_hiding,
    lefts_of,
    raised_in,
    rows_of,
)

GROUND: Final = 0.96
"""Where feet stand, as a share of the frame's height."""
TALLEST: Final = 0.82
WIDEST: Final = 0.94
"""Largest share of the frame's height, and of its width, for all people together."""
LARGEST_HEAD: Final = 0.36
"""And for the height of a head: larger, two portraits are nothing but faces. All shares here are conventions."""
MOST_ENLARGED: Final = 2.0
"""Largest factor by which a photograph is enlarged."""
TOO_SMALL: Final = 0.6
"""A photograph that would make all heads smaller than this share of what the others allow is left out."""
MOST_ROWS: Final = 3
MUCH_LARGER: Final = 1.15
"""Another row is worth it where heads become larger by this factor."""
FLATTEST: Final = 3
"""Width over height of the flattest frame that is cropped around people."""
MOST_CUT: Final = 2
"""Outline pixels of a cut, a twelfth of a head, that nobody sees."""

INSIDE: Final = "the photograph cuts the person off at its {} edge, and nothing hides that in the picture"
LOWER: Final = "the body ends in the middle of the picture, and nobody in front hides that"
SMALL: Final = "the photograph is too small: its head is {} pixels high, and beside the others it must be {} at least"
AT_THE_EDGE: Final = "put it first or last, where the picture's edge cuts the person off too, or show both shoulders"
REMEDIES: Final = {
    "left": AT_THE_EDGE,
    "right": AT_THE_EDGE,
    "lower": "use a photograph that shows more of the body, or give a smaller --rows",
    "small": "use a larger photograph, or give a smaller --size",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the member `index` goes, in pixels: scaled by `scale`, with the upper left corner at (top, left).

    `row` 0 is the front row.
    """

    index: int
    scale: float
    top: int
    left: int
    height: int
    width: int
    row: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Why a member has no place, and what would help."""

    reason: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrangement:
    """The places from the furthest to the nearest, and by its index why a member has none.

    `nearest` is the width in pixels of the narrowest frame in which all stand so large, side by side.
    """

    places: tuple[Place, ...]
    left_out: Mapping[int, LeftOut]
    nearest: int

    @property
    def rows(self) -> int:
        """The number of rows."""
        return 1 + max((place.row for place in self.places), default=-1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Tried:
    """One way to place some members, in outline pixels of `ratio` pixels of the picture; 0 is the middle column.

    `wanted` is the ratio that most photographs allow, `nearest` the width that the rows need, `cut` whose cut would be
    seen, with the edge that cuts.
    """

    figures: list[Figure]
    rows: list[list[int]]
    lefts: dict[int, float]
    order: list[int]
    ratio: float
    wanted: float
    nearest: int
    cut: list[tuple[int, str]]


def arranged(
    members: Sequence[Member], *, size: tuple[int, int], alike: Alike = "auto", rows: int | None = None
) -> Arrangement:
    """Return where members go in a frame of `size` (height, width); the first of each row is at the left.

    Rows keep the order of the members; who is seen furthest down stands at the back. Without a number of `rows` there
    are as many, up to three, as leave out the fewest and then make heads largest. Left out is whom the photograph cuts
    off where neither the picture's edge nor anybody in front hides it, and whose photograph is much too small.
    """
    figures = figures_of(members, alike=alike)
    most = max(1, min(MOST_ROWS, (len(figures) + 1) // 2))
    numbers = range(1, most + 1) if rows is None else [rows]
    found = [_in_rows(members, figures=figures, size=size, rows=number) for number in numbers]
    return min(found, key=lambda one: one[0])[1]


def _in_rows(
    members: Sequence[Member], *, figures: Sequence[Figure], size: tuple[int, int], rows: int
) -> tuple[tuple[int, float], Arrangement]:
    """Return an arrangement in a number of rows, and how bad it is."""
    kept = list(range(len(members)))
    left_out: dict[int, LeftOut] = {}
    while kept:
        tried = _tried([figures[index] for index in kept], number=min(rows, len(kept)), size=size)
        wrong = _wrong(tried)
        if wrong is None:
            places = tuple(_places(tried, members=members, kept=kept, size=size))
            worth = tried.ratio / MUCH_LARGER ** len(tried.rows)
            found = Arrangement(places=places, left_out=left_out, nearest=min(size[1], tried.nearest))
            return (len(left_out), -worth), found
        left_out[kept.pop(wrong[0])] = wrong[1]
    return (len(left_out), 0.0), Arrangement(places=(), left_out=left_out, nearest=size[1])


def arranged_closely(
    members: Sequence[Member], *, size: tuple[int, int], alike: Alike = "auto", rows: int | None = None
) -> tuple[Arrangement, tuple[int, int]]:
    """Return where members go, and the part of a frame of `size` (height, width) around them in which they do.

    In the whole frame, those at the ends whom their photographs cut off would stand at its edges, far from the others.
    """
    found = arranged(members, size=size, alike=alike, rows=rows)
    near = (size[0], found.nearest)
    if found.nearest < size[1]:
        found = arranged(members, size=near, alike=alike, rows=rows)
    return _cropped(found, size=near) if found.places else (found, size)


def _cropped(found: Arrangement, *, size: tuple[int, int]) -> tuple[Arrangement, tuple[int, int]]:
    top = min(place.top for place in found.places)
    side = min(min(place.left, size[1] - place.left - place.width) for place in found.places)
    widest = size[1] - 2 * max(0, side)
    width = min(size[1], round(widest / WIDEST)) if side > 0 else size[1]
    height = min(size[0], round(max((size[0] - top) / TALLEST, width / FLATTEST)))
    down, right = size[0] - height, (size[1] - width) // 2
    places = tuple(replace(place, top=place.top - down, left=place.left - right) for place in found.places)
    return replace(found, places=places), (height, width)


def _wrong(tried: _Tried) -> tuple[int, LeftOut] | None:
    """Return who cannot be in the picture, if anybody; one at a time, since others may be right then."""
    if tried.cut:
        times = Counter(index for index, _ in tried.cut)
        index, edge = min(tried.cut, key=lambda one: (-times[one[0]], one))
        return index, LeftOut(reason=LOWER if edge == "lower" else INSIDE.format(edge), remedy=REMEDIES[edge])
    limits = [MOST_ENLARGED / one.scale for one in tried.figures]
    least = int(np.argmin(limits))
    if limits[least] >= TOO_SMALL * tried.wanted:
        return None
    heads = round(HEAD / tried.figures[least].scale), round(HEAD * TOO_SMALL * tried.wanted / MOST_ENLARGED)
    return least, LeftOut(reason=SMALL.format(*heads), remedy=REMEDIES["small"])


def _tried(figures: Sequence[Figure], *, number: int, size: tuple[int, int]) -> _Tried:
    rows = rows_of(figures, number=number)
    raised = raised_in(figures, rows=rows)
    fronts = [are_left_in_front(raised, row=row) for row in rows]
    lefts = lefts_of(raised, rows=rows, fronts=fronts)
    widest = _widest(raised, rows=rows, lefts=lefts)
    wanted, ratio = _ratios(raised, widest=widest, size=size)
    moved = {
        index: left for row in rows for index, left in _moved(row, figures=raised, lefts=lefts, wide=size[1] / ratio)
    }
    order = [index for row, front in zip(rows[::-1], fronts[::-1]) for index in furthest_first(row, fronts=front)]
    edges = [edges_of(index, figures=raised, rows=rows) for index in order]
    seen = visible_cuts([(raised[index], round(moved[index])) for index in order], at_edge=edges)
    cut = sorted((index, edge) for index, some in zip(order, seen) for edge, count in some.items() if count > MOST_CUT)
    nearest = math.ceil(ratio * widest / WIDEST)
    return _Tried(
        figures=raised, rows=rows, lefts=moved, order=order, ratio=ratio, wanted=wanted, nearest=nearest, cut=cut
    )


def _widest(figures: Sequence[Figure], *, rows: Sequence[Sequence[int]], lefts: Mapping[int, int]) -> int:
    """Return the columns that the widest row covers."""
    ends = {index: left + figures[index].solid.shape[1] for index, left in lefts.items()}
    return max(max(ends[index] for index in row) - min(lefts[index] for index in row) for row in rows)


def _ratios(figures: Sequence[Figure], *, widest: int, size: tuple[int, int]) -> tuple[float, float]:
    """Return the ratio that most photographs allow, and that which all do but those that are much too small."""
    height = max(-one.top for one in figures)
    fits = min(TALLEST * size[0] / height, WIDEST * size[1] / widest, LARGEST_HEAD * size[0] / HEAD)
    limits = [MOST_ENLARGED / one.scale for one in figures]
    wanted = min(fits, float(np.median(limits)))
    return wanted, min([wanted, *(limit for limit in limits if limit >= TOO_SMALL * wanted)])


def _moved(
    row: Sequence[int], *, figures: Sequence[Figure], lefts: Mapping[int, int], wide: float
) -> list[tuple[int, float]]:
    """Return the first columns of a row in a picture so `wide`, with whom a side cuts off at the picture's edge."""
    first, last = figures[row[0]], figures[row[-1]]
    to_left, to_right = -wide / 2 - lefts[row[0]], wide / 2 - lefts[row[-1]] - last.solid.shape[1]
    is_left, is_right = "left" in first.cut_sides, "right" in last.cut_sides
    if is_left and is_right and len(row) > 1:
        steps = [not is_hiding(figures, pair=pair) for pair in pairwise(row)]
        shares = (np.cumsum([0, *steps]) / max(1, sum(steps))).tolist()
        return [(index, lefts[index] + to_left + share * (to_right - to_left)) for index, share in zip(row, shares)]
    shift = to_left if is_left else to_right if is_right else 0.0
    return [(index, lefts[index] + shift) for index in row]


def _places(tried: _Tried, *, members: Sequence[Member], kept: Sequence[int], size: tuple[int, int]) -> list[Place]:
    ground = GROUND * size[0] if all(one.is_standing for one in tried.figures) else size[0]
    row_of = {index: number for number, row in enumerate(tried.rows) for index in row}
    found = []
    for index in tried.order:
        one, alpha = tried.figures[index], members[kept[index]].alpha
        scale = tried.ratio * one.scale
        height, width = max(1, round(scale * alpha.shape[0])), max(1, round(scale * alpha.shape[1]))
        edges = edges_of(index, figures=tried.figures, rows=tried.rows)
        left = round(size[1] / 2 + tried.ratio * tried.lefts[index])
        left = 0 if "left" in edges else size[1] - width if "right" in edges else left
        top = round(ground + tried.ratio * (one.top + len(one.solid))) - height
        place = Place(index=kept[index], scale=scale, top=top, left=left, height=height, width=width, row=row_of[index])
        found.append(place)
    return found
