"""Which background lies behind a person: drawn among those that fill the frame without being torn or mirrored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from curation.dataset.sample import FRAME_METRES
from curation.fusion.framing import covering
from curation.fusion.fuse import generator_for
from curation.fusion.placement import MAX_ENLARGEMENT
from curation.fusion.standing import LEAST_METRES

Frame = Literal["foreground", "background"]
FRAMES: Final[tuple[Frame, ...]] = ("foreground", "background")
"""Whose frame a fused picture has."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool:
    """The backgrounds of one split; `sizes` (n, 2) are heights and widths in pixels, scaled down as they will be.

    `metres` (n,) are those that the frame shows at most, infinite where nothing tells; `used` (n,) counts how often
    each was drawn.
    """

    rows: Sequence[dict[str, Any]]
    sizes: NDArray[np.float64]
    metres: NDArray[np.float64]
    used: NDArray[np.int64]


def pool_of(rows: Sequence[dict[str, Any]], *, max_side: int) -> Pool:
    """Return backgrounds that can be drawn; those with a longer side than `max_side` pixels are scaled down to it."""
    sizes = [scaled_size(row, max_side=max_side) for row in rows]
    return Pool(
        rows=rows,
        sizes=np.array(sizes, np.float64).reshape(-1, 2),
        metres=np.array([metres_of(row) for row in rows], np.float64),
        used=np.zeros(len(rows), np.int64),
    )


def metres_of(row: Mapping[str, Any]) -> float:
    """Return how many metres the frame of a background shows at most; infinite where its row does not tell."""
    metres = row.get(FRAME_METRES)
    return np.inf if metres is None else float(metres)


def scaled_size(row: Mapping[str, Any], *, max_side: int) -> tuple[int, int]:
    """Return height and width of a photograph whose longer side is at most `max_side` pixels."""
    scale = min(1.0, max_side / max(row["height"], row["width"]))
    return max(1, round(row["height"] * scale)), max(1, round(row["width"] * scale))


def fitting(pool: Pool, *, size: tuple[int, int], frame: Frame) -> NDArray[np.bool_]:
    """Return which backgrounds (n,) fit a person's photograph of `size` (height, width).

    In the foreground's frame they have to cover it (see `covering`); in their own frame, the photograph is not enlarged
    by more than MAX_ENLARGEMENT to fit into it.
    """
    if frame == "background":
        return np.asarray((pool.sizes / np.array(size, np.float64)).min(axis=1) <= MAX_ENLARGEMENT)
    return covering(pool.sizes, frame=size)


def drawn_backgrounds(
    row: Mapping[str, Any], number: int, *, pool: Pool, fits: NDArray[np.bool_], seed: int
) -> list[dict[str, Any]]:
    """Draw what may lie behind a foreground in its fused sample `number`, among what `fits` (n,); [] for nothing.

    The first shows too few metres for nobody; the next, where they are needed, for nobody of whom more is seen, and so
    on up to a whole person: how much is seen of her is known once her photograph is read. Those that were drawn least
    often come first, so that none is drawn again before all others were.
    """
    rng = generator_for(f"background of {row['id']}", seed=seed, number=number)
    drawn: list[int] = []
    for least in sorted(set(LEAST_METRES.values())):
        if drawn and pool.metres[drawn[-1]] >= least:
            continue
        able = np.flatnonzero(fits & (pool.metres >= least))
        if not len(able):
            break
        rarest = able[pool.used[able] == pool.used[able].min()]
        drawn.append(int(rarest[rng.integers(len(rarest))]))
        pool.used[drawn[-1]] += 1
    return [pool.rows[index] for index in drawn]
