"""Which background lies behind a person: drawn among those that fill the frame without being torn or mirrored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from curation.fusion.framing import covering
from curation.fusion.fuse import generator_for
from curation.fusion.placement import MAX_ENLARGEMENT

Frame = Literal["foreground", "background"]
FRAMES: Final[tuple[Frame, ...]] = ("foreground", "background")
"""Whose frame a fused picture has."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool:
    """The backgrounds of one split; `sizes` (n, 2) are heights and widths in pixels, scaled down as they will be."""

    rows: Sequence[dict[str, Any]]
    sizes: NDArray[np.float64]


def pool_of(rows: Sequence[dict[str, Any]], *, max_side: int) -> Pool:
    """Return backgrounds that can be drawn; those with a longer side than `max_side` pixels are scaled down to it."""
    sizes = [scaled_size(row, max_side=max_side) for row in rows]
    return Pool(rows=rows, sizes=np.array(sizes, np.float64).reshape(-1, 2))


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


def drawn_background(
    row: Mapping[str, Any], number: int, *, pool: Pool, fits: NDArray[np.bool_], seed: int
) -> dict[str, Any] | None:
    """Draw what lies behind a foreground in its fused sample `number`, among what `fits` (n,); None where nothing does.

    What is drawn hangs on no other foreground.
    """
    choices = np.flatnonzero(fits)
    if not len(choices):
        return None
    rng = generator_for(f"background of {row['id']}", seed=seed, number=number)
    return pool.rows[int(choices[rng.integers(len(choices))])]
