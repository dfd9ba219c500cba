"""A second person behind the first of a fused picture: where he or she stands, and what of both is seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import msgspec
import numpy as np

from curation.fusion.fuse import Scene, SecondPlacement
from curation.fusion.head_shape import find_head
from curation.fusion.light import light_matched
from curation.fusion.placement import SOLID, Placement, draw_placement, fitted, placed, placed_alpha
from curation.fusion.standing import NEARLY_CUT, shaded, shot_of
from curation.images.pixels import Alpha, Image
from curation.matting.composite import composite

DRAWS: Final = 8
"""Number of places that are drawn; the one with the largest visible part beside the first person is taken."""
LEAST_SEEN: Final = 1 / 3
"""A second person with a smaller visible part is left out: a sleeve beside the first person looks like a fault."""
UPPER: Final = 1 / 4
"""This much of a person's height, from above, is measured separately: a body without its head looks like a fault."""
LEAST_UPPER_SEEN: Final = 1 / 2
"""Least visible share of that upper part. A convention, as are the other shares here."""
LARGEST_HEAD: Final = 1.25
"""How large the second's head may be, as a multiple of the first's: whoever is farther away looks smaller."""
SMALLEST_HEAD: Final = 0.5
"""And how small: smaller, the second is no companion of the first, but far behind, where the frame has no ground."""


def with_second(scene: Scene, *, colours: Image, alpha: Alpha, rng: np.random.Generator) -> Scene:
    """Return the scene with a second person, of a photograph of any size, on the frame behind the first.

    The scene is the same as before where the photograph does not fit (see `fitted`), or no place is good enough. The
    second always gets a new place: the photograph of the first has none for a second.
    """
    fit = fitted(colours, alpha=alpha, size=(scene.alpha.shape[0], scene.alpha.shape[1]))
    place = None if fit is None else _place_behind(fit.alpha, before=scene.alpha, rng=rng)
    if fit is None or place is None:
        return scene
    person, behind = placed(fit.image, alpha=fit.alpha, placement=place)
    person = light_matched(person, alpha=behind, background=scene.frame, strength=scene.recipe.light)
    second = SecondPlacement(fitted=fit.placement, placement=place)
    is_lit = scene.recipe.light > 0 and shot_of(fit.alpha) == "whole"
    ground = shaded(scene.frame, alpha=behind) if is_lit else scene.frame
    return replace(
        scene,
        frame=composite(person, alpha=behind, background=ground),
        whole=joint_alpha(scene.alpha, behind=behind),
        recipe=msgspec.structs.replace(scene.recipe, second=second),
    )


def joint_alpha(alpha: Alpha, *, behind: Alpha) -> Alpha:
    """Return how much of each pixel (h, w) is one of two persons, 1 - (1 - a)(1 - b), rounded exactly to 1/255.

    >>> joint_alpha(np.array([[0, 128, 255]], np.uint8), behind=np.array([[128, 128, 128]], np.uint8)).tolist()
    [[128, 192, 255]]
    """
    through = (255 - alpha.astype(np.uint16)) * (255 - behind.astype(np.uint16))
    return (255 - (through + 127) // 255).astype(np.uint8)  # an odd divisor has no middle between two levels


def _place_behind(alpha: Alpha, *, before: Alpha, rng: np.random.Generator) -> Placement | None:
    """Draw places for a person behind another, and return the one with the largest visible part; None if too small."""
    head, other = find_head(alpha), find_head(before)
    if head is None or other is None:
        return None
    shot = shot_of(alpha)
    drawn = [draw_placement(rng, alpha=alpha, shot=shot) for _ in range(DRAWS)]
    sizes = SMALLEST_HEAD * other.height, LARGEST_HEAD * other.height
    places = [place for place in drawn if sizes[0] <= place.scale * head.height <= sizes[1]]
    seen = [_seen(placed_alpha(alpha, placement=place), before=before) for place in places]
    return places[int(np.argmax(seen))] if max(seen, default=0) >= 1 else None


def _seen(alpha: Alpha, *, before: Alpha) -> float:
    """Return how well a person is seen behind another; 1 is just enough of the whole, or of the upper part if that
    lacks.

    0 where the person reaches lower than the other: whoever stands nearer stands lower, and cannot be behind.
    """
    rows, ground = (np.flatnonzero((one > SOLID).any(axis=1)) for one in (alpha, before))
    if not len(rows) or not len(ground) or rows[-1] > ground[-1] + NEARLY_CUT * len(alpha):
        return 0.0
    neck = rows[0] + max(1, round(UPPER * (rows[-1] + 1 - rows[0])))
    whole, upper = _share_seen(alpha, before=before), _share_seen(alpha[:neck], before=before[:neck])
    return min(whole / LEAST_SEEN, upper / LEAST_UPPER_SEEN)


def _share_seen(alpha: Alpha, *, before: Alpha) -> float:
    through = alpha.astype(np.uint16) * (255 - before)
    return float(through.sum(dtype=np.int64) / (255 * alpha.sum(dtype=np.int64)))
