"""The outlines of a group's members at one scale, and how near to one another two of them can stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.fusion.head_shape import SOLID, Head
from curation.photos.group_member import Member, Side, resized

Alike = Literal["auto", "head", "body"]
HEAD: Final = 24
"""Height of a head from crown to chin in an outline, in its pixels; where bodies are alike, of a body's share below."""
HEADS_OF_BODY: Final = 7.5
"""How many heads a person is tall, as drawing takes it."""
HEAD_WIDTH: Final = 0.8
"""Width of a head with its hair, as a share of its height."""
CLEAR: Final = 3
"""Least distance in outline pixels between a head and another person: an eighth of a head."""
OVERLAP: Final = (0.08, 0.4)
"""The share of the smaller of two persons that the other hides where they stand side by side, and at most where one
hides where the other is cut. A convention, as the other numbers here."""

Outline = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Figure:
    """The outline of a member: `solid` (h, w), its heads as `guard` (h, w), both in pixels of `scale` member pixels.

    `crown` and `middle` are the row and the column of the largest head. Rows from `end` on must not be seen. `top` is
    the first row in the picture, whose lower edge is 0; above it rows are negative.
    """

    solid: Outline
    guard: Outline
    scale: float
    crown: int
    middle: float
    end: int
    is_standing: bool
    cut_sides: frozenset[Side]
    top: int = 0

    def at(self, top: int) -> Figure:
        """Return the figure with its first row there."""
        return replace(self, top=top)

    def cuts(self) -> dict[str, Outline]:
        """Return where the photograph cuts the person off, (h, w) for each edge that does."""
        below = np.zeros_like(self.solid)
        below[self.end :] = self.solid[self.end :]
        found = {} if self.is_standing else {"lower": below}
        for side, columns in (("left", slice(0, 2)), ("right", slice(-2, None))):
            if side in self.cut_sides:
                found[side] = np.zeros_like(self.solid)
                found[side][:, columns] = self.solid[:, columns]
        return found


def figures_of(members: Sequence[Member], *, alike: Alike) -> list[Figure]:
    """Return the outlines with equal heads, or bodies; `auto` takes bodies where all are seen down to the feet."""
    by_head = alike == "head" or (alike == "auto" and any(member.sunk is not None for member in members))
    return [_figure(member, by_head=by_head) for member in members]


def _figure(member: Member, *, by_head: bool) -> Figure:
    scale = HEAD / member.head.height if by_head else HEAD * HEADS_OF_BODY / member.alpha.shape[0]
    size = max(1, round(member.alpha.shape[0] * scale)), max(3, round(member.alpha.shape[1] * scale))
    solid = np.asarray(resized(member.alpha, size=size) > SOLID)
    guard = np.zeros_like(solid)
    for head in member.heads:
        guard[_around(head, scale=scale)] = True
    return Figure(
        solid=solid,
        guard=guard & solid,
        scale=scale,
        crown=round(member.head.crown * scale),
        middle=member.head.middle * scale,
        end=round((1 - (member.sunk or 0)) * size[0]),
        is_standing=member.sunk is None,
        cut_sides=member.cut_sides,
    )


def _around(head: Head, *, scale: float) -> tuple[slice, slice]:
    half = HEAD_WIDTH / 2 * head.height
    rows = slice(max(0, round((head.crown - 0.15 * head.height) * scale)), max(1, round(head.chin * scale)))
    return rows, slice(max(0, round((head.middle - half) * scale)), max(1, round((head.middle + half) * scale)))


def distance_between(left: Figure, right: Figure, *, is_left_in_front: bool) -> int:
    """Return how many columns the second begins after the first: as near as can be, no head hidden.

    Where the one in front can hide the side at which the photograph cuts the other off, it does; else they overlap
    little.
    """
    top = min(left.top, right.top)
    solids, guards = ([_seen(part, top=top, figure=one) for part, one in parts] for parts in _parts(left, right))
    near = [np.asarray(cv2.dilate(one.astype(np.uint8), np.ones((2 * CLEAR + 1,) * 2, np.uint8)) > 0) for one in solids]
    area = min(int(np.count_nonzero(solid)) for solid in solids)
    hidden = _to_hide(left, right, is_left_in_front=is_left_in_front, top=top)
    width, best = solids[0].shape[1], None
    for start in range(width, -1, -1):
        first, second = slice(start, None), slice(0, max(0, width - start))
        over = int(np.count_nonzero(_both(solids[0][:, first], solids[1][:, second])))
        if _both(near[0][:, first], guards[1][:, second]).any() or _both(guards[0][:, first], near[1][:, second]).any():
            break
        if over > OVERLAP[1] * area or (over > OVERLAP[0] * area and hidden is None):
            break
        if over <= OVERLAP[0] * area:
            best = start
        if hidden is not None and _hides(solids, hidden=hidden, start=start, is_left_in_front=is_left_in_front):
            return start
    return width if best is None else best


def _parts(left: Figure, right: Figure) -> tuple[list[tuple[Outline, Figure]], list[tuple[Outline, Figure]]]:
    return [(one.solid, one) for one in (left, right)], [(one.guard, one) for one in (left, right)]


def _seen(part: Outline, *, top: int, figure: Figure) -> Outline:
    """Return a part of a figure as it lies in the rows from `top` to the lower edge of the picture."""
    found = np.zeros((max(1, -top), part.shape[1]), np.bool_)
    rows = part[: max(0, -figure.top)]
    found[figure.top - top : figure.top - top + len(rows)] = rows
    return found


def _to_hide(left: Figure, right: Figure, *, is_left_in_front: bool, top: int) -> Outline | None:
    """Return where the photograph cuts off the one behind, at the side of the other; None where it does not."""
    behind, side = (right, "left") if is_left_in_front else (left, "right")
    cut = behind.cuts().get(side)
    return None if cut is None else _seen(cut, top=top, figure=behind)


def _hides(solids: Sequence[Outline], *, hidden: Outline, start: int, is_left_in_front: bool) -> bool:
    """Tell whether the one in front covers all that is to be hidden when the second begins at column `start`."""
    whole = np.zeros((len(solids[0]), max(solids[0].shape[1], start + solids[1].shape[1])), np.bool_)
    before, cut = np.zeros_like(whole), np.zeros_like(whole)
    at = (0, start) if is_left_in_front else (start, 0)
    front = solids[0 if is_left_in_front else 1]
    before[:, at[0] : at[0] + front.shape[1]] = front
    cut[:, at[1] : at[1] + hidden.shape[1]] = hidden
    return not (cut & ~inner(before)).any()


def inner(solid: Outline) -> Outline:
    """Return an outline without its rim of a pixel, which is soft in the picture."""
    return np.asarray(cv2.erode(solid.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)


def _both(first: Outline, second: Outline) -> Outline:
    width = min(first.shape[1], second.shape[1])
    return np.asarray(first[:, :width] & second[:, :width])


def visible_cuts(figures: Sequence[tuple[Figure, int]], *, at_edge: Sequence[frozenset[Side]]) -> list[dict[str, int]]:
    """Return how many pixels of each cut of figures, with their first columns, are seen; the furthest comes first.

    `at_edge` are the sides at which each stands at the edge of the picture, where it may be cut.
    """
    top, least = min(one.top for one, _ in figures), min(left for _, left in figures)
    width = max(left + one.solid.shape[1] for one, left in figures) - least
    before = np.zeros((max(1, -top), width), np.bool_)
    found: list[dict[str, int]] = []
    for number in range(len(figures) - 1, -1, -1):
        one, left = figures[number]
        columns = slice(left - least, left - least + one.solid.shape[1])
        cuts = {
            name: int(np.count_nonzero(_seen(cut, top=top, figure=one) & ~before[:, columns]))
            for name, cut in one.cuts().items()
            if name not in at_edge[number]
        }
        found.append({name: number for name, number in cuts.items() if number})
        before[:, columns] |= inner(_seen(one.solid, top=top, figure=one))
    return found[::-1]
