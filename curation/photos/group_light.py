"""One light on everybody in a group picture: that of a face is seen on its skin.

Skin differs from person to person in how dark it is, and hardly in its hue beside that; so the hue of the light is
evened out for the most part, brightness by half, and both within a range that keeps everybody as they look.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from curation.fusion.head_shape import SOLID
from curation.fusion.light import gains_towards, with_gains
from curation.images.pixels import Image
from curation.photos.group_member import Member

TO_EACH_OTHER: Final = (0.5, 0.7)
"""How far brightness, and red and blue beside green, of the skin go to the median of all, as powers."""
MOST: Final = (1.25, 1.15)
"""Largest factors of either. Conventions."""
TO_BACKGROUND: Final = 0.25
"""How far all go together towards the light of the background, as a power."""
THINNED: Final = 7
"""One pixel in so many is looked at."""


def in_one_light(members: Sequence[Member], *, background: Image | None) -> list[Member]:
    """Return the members under one light, moved a little towards that of a `background` (h, w, 3), if there is one.

    A member without a face keeps its light beside the others.
    """
    matched = [
        replace(member, colours=with_gains(member.colours, gains=gains))
        for member, gains in zip(members, _gains(members))
    ]
    if background is None or not matched:
        return matched
    shown = [one.colours[one.alpha > SOLID][::THINNED] for one in matched]
    own = np.concatenate(shown).reshape(-1, 1, 3)
    shared = gains_towards(np.ascontiguousarray(own), background=background, strength=TO_BACKGROUND)
    return [replace(member, colours=with_gains(member.colours, gains=shared)) for member in matched]


def _gains(members: Sequence[Member]) -> list[NDArray[np.float64]]:
    """Return the factor of each channel (3,) of each member."""
    skins = [member.skin for member in members if member.skin is not None]
    if not skins:
        return [np.ones(3) for _ in members]
    middle = np.median([_told(skin) for skin in skins], axis=0)
    return [np.ones(3) if one.skin is None else _gain(_told(one.skin), middle=middle) for one in members]


def _told(skin: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithms (3,) of brightness, and of red and blue beside green."""
    red, green, blue = np.log(np.maximum(skin, 1.0))
    return np.array([np.log(max(1.0, float(skin.mean()))), red - green, blue - green])


def _gain(told: NDArray[np.float64], *, middle: NDArray[np.float64]) -> NDArray[np.float64]:
    powers, most = np.array(TO_EACH_OTHER)[[0, 1, 1]], np.log(np.array(MOST)[[0, 1, 1]])
    exposure, red, blue = np.exp(np.clip(powers * (middle - told), -most, most))
    return np.asarray(exposure * np.array([red, 1.0, blue]), np.float64)
