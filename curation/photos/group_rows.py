"""The rows of a group: who stands in which, how high, how near to the neighbours, and who is in front.

The numbers below are conventions of group photographs.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from curation.photos.group_figures import HEAD, Figure, distance_between
from curation.photos.group_member import Side

RAISED: Final = 0.85
"""In heads, a row stands higher than that before it."""
STAGGER: Final = 0.25
"""In heads, people of a row may be taller than the shortest; who is seen further down is."""
LEAST_SEEN: Final = 1.6
"""In heads below the crown, what is seen of the front row: the shoulders."""
APART: Final = 1.7
"""In heads, from one head to the next where there are several rows, so that those behind look through between them."""


def rows_of(figures: Sequence[Figure], *, number: int) -> list[list[int]]:
    """Return the members of each row, the front row first: those behind are as many or one more, and seen further."""
    deepest = sorted(range(len(figures)), key=lambda index: (-_depth(figures[index]) // HEAD, index))
    rows: list[list[int]] = []
    for row in range(number, 0, -1):  # from the back
        count = -(-len(deepest) // row)
        rows.append(sorted(deepest[:count]))
        deepest = deepest[count:]
    return rows[::-1]


def _depth(figure: Figure) -> int:
    return figure.end - figure.crown


def raised_in(figures: Sequence[Figure], *, rows: Sequence[Sequence[int]]) -> list[Figure]:
    """Return the figures in their rows: crowns on a line, or, where all stand, feet."""
    found = list(figures)
    raise_ = round(RAISED * HEAD)
    if all(one.is_standing for one in figures):
        for number, row in enumerate(rows):
            for index in row:
                found[index] = figures[index].at(-len(figures[index].solid) - number * raise_)
        return found
    depths = [min(_depth(figures[index]) for index in row) for row in rows]
    behind = min((depth - number * raise_ for number, depth in enumerate(depths)), default=depths[0])
    line = min(depths[0], max(behind, round(LEAST_SEEN * HEAD)))
    for number, row in enumerate(rows):
        crown = line + number * raise_
        for index in row:
            more = min(round(STAGGER * HEAD), max(0, _depth(figures[index]) - crown))
            found[index] = figures[index].at(-crown - more - figures[index].crown)
    return found


def are_left_in_front(figures: Sequence[Figure], *, row: Sequence[int]) -> list[bool]:
    """Return of each two neighbours whether the left one stands in front: who hides a cut, else who is more central."""
    middle, found = (len(row) - 1) / 2, []
    for place, (first, second) in enumerate(pairwise(row)):
        if "left" in figures[second].cut_sides:
            found.append(True)
        elif "right" in figures[first].cut_sides:
            found.append(False)
        else:
            found.append(abs(place - middle) <= abs(place + 1 - middle))
    return found


def lefts_of(
    figures: Sequence[Figure], *, rows: Sequence[Sequence[int]], fronts: Sequence[Sequence[bool]]
) -> dict[int, int]:
    """Return the first column of each figure; 0 is the middle of the picture."""
    apart = [
        [
            round(distance_between(figures[a], figures[b], is_left_in_front=front) + figures[b].middle)
            - round(figures[a].middle)
            for (a, b), front in zip(pairwise(row), some)
        ]
        for row, some in zip(rows, fronts)
    ]
    if len(rows) > 1:  # heads behind look through between those before
        widest = max([round(APART * HEAD), *(one for some in apart for one in some)])
        apart = [
            [one if is_hiding(figures, pair=pair) else widest for one, pair in zip(some, pairwise(row))]
            for some, row in zip(apart, rows)
        ]
    middles: dict[int, int] = {}
    shifts = _shifts(rows, apart=apart)
    for row, some, shift in zip(rows, apart, shifts):
        at = shift - sum(some) // 2
        for index, step in zip(row, [0, *some]):
            at += step
            middles[index] = at
    lefts = {index: middle - round(figures[index].middle) for index, middle in middles.items()}
    most = max(lefts[index] + figures[index].solid.shape[1] for index in lefts)
    centre = (min(lefts.values()) + most) // 2
    return {index: left - centre for index, left in lefts.items()}


def is_hiding(figures: Sequence[Figure], *, pair: tuple[int, int]) -> bool:
    """Tell whether one of two neighbours hides where the other is cut."""
    return "right" in figures[pair[0]].cut_sides or "left" in figures[pair[1]].cut_sides


def _shifts(rows: Sequence[Sequence[int]], *, apart: Sequence[Sequence[int]]) -> list[int]:
    """Return how far each row is moved: by half a step where it has as many people as the one before it."""
    found = [0]
    for number in range(1, len(rows)):
        is_alike = len(rows[number]) % 2 == len(rows[number - 1]) % 2
        step = max([0, *apart[number], *apart[number - 1]]) // 2
        found.append((found[-1] + step * (1 if found[-1] <= 0 else -1)) if is_alike else found[-1])
    return found


def furthest_first(row: Sequence[int], *, fronts: Sequence[bool]) -> list[int]:
    """Return a row in the order in which it is painted."""
    waiting, found = list(range(len(row))), []
    while waiting:
        for place in waiting:
            behind_left = place > 0 and place - 1 in waiting and not fronts[place - 1]
            behind_right = place + 1 < len(row) and place + 1 in waiting and fronts[place]
            if not behind_left and not behind_right:
                waiting.remove(place)
                found.append(row[place])
                break
    return found


def edges_of(index: int, *, figures: Sequence[Figure], rows: Sequence[Sequence[int]]) -> frozenset[Side]:
    """Return at which edge of the picture somebody stands whom a side of the photograph cuts off; of two, the left."""
    [row] = [row for row in rows if index in row]
    cut, found = figures[index].cut_sides, set[Side]()
    if "left" in cut and row[0] == index:
        found.add("left")
    elif "right" in cut and row[-1] == index:
        found.add("right")
    return frozenset(found)
