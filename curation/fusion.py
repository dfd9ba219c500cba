"""One fused picture: a person cut from one photograph and laid on another, drawn from a seed alone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from curation.compositing import composite, person_colours
from curation.light import light_matched, softened
from curation.pixels import Alpha, Image
from curation.placement import Placement, background_for, draw_placement, placed

MOST_LIGHT: Final = 0.4
"""Strength of light matching, drawn from 0 to this: more turns skin into the colour of the wall behind it."""
MOST_BLUR_PX: Final = 0.8
QUALITIES: Final = (75, 95)
"""Of the JPEG that a fused picture is written as: person and background get the same traces of encoding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionRules:
    """What may change: with `place`, scale, mirror and position; with `match_light`, colours; with `soften`, sharpness.

    With `estimate`, the colours of the soft edge are estimated; without, the old background shines through there.
    """

    place: bool = True
    match_light: bool = True
    soften: bool = True
    estimate: bool = True


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """What was drawn for one fused picture, so that it can be made again; pixels and shares of 1."""

    placement: Placement | None
    light: float
    blur_px: float
    quality: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fused:
    """A fused picture (h, w, 3), its alpha (h, w), and how it was made."""

    image: Image
    alpha: Alpha
    recipe: Recipe


def generator_for(sample_id: str, *, seed: int, number: int) -> np.random.Generator:
    """Give the generator of one fused sample of a foreground: what it draws hangs on nothing else."""
    name = int.from_bytes(hashlib.sha256(sample_id.encode("utf-8", "surrogatepass")).digest()[:16], "big")
    return np.random.default_rng([seed, number, name])


def fuse(image: Image, *, alpha: Alpha, background: Image, rules: FusionRules, rng: np.random.Generator) -> Fused:
    """Lay the person of an image (h, w, 3), as its alpha (h, w) shows it, on a background of any size.

    The frame keeps the image's size. `rng` alone decides what is drawn, in the same order for every set of rules.
    """
    placement = draw_placement(rng, alpha=alpha)
    recipe = Recipe(
        placement=placement if rules.place else None,
        light=float(rng.uniform(0, MOST_LIGHT)) * rules.match_light,
        blur_px=float(rng.uniform(0, MOST_BLUR_PX)) * rules.soften,
        quality=int(rng.integers(QUALITIES[0], QUALITIES[1] + 1)),
    )
    frame = background_for(background, size=(alpha.shape[0], alpha.shape[1]), rng=rng)
    person = person_colours(image, alpha=alpha) if rules.estimate else image
    if recipe.placement is not None:
        person, alpha = placed(person, alpha=alpha, placement=recipe.placement)
    person = light_matched(person, alpha=alpha, background=frame, strength=recipe.light)
    fused = softened(composite(person, alpha=alpha, background=frame), sigma_px=recipe.blur_px)
    return Fused(image=fused, alpha=alpha, recipe=recipe)
