"""One fused picture: a person cut from one photograph and laid on another, drawn from a seed alone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from curation.fusion.framing import background_for
from curation.fusion.light import light_matched, softened
from curation.fusion.placement import Placement, draw_placement, placed
from curation.fusion.standing import Shot, shaded, shot_of
from curation.fusion.texture import texture_matched
from curation.images.pixels import Alpha, Image
from curation.matting.composite import composite, person_colours

MOST_LIGHT: Final = 0.4
"""Strength of light matching, drawn from 0 to this: more turns skin into the colour of the wall behind it."""
MOST_BLUR_PX: Final = 0.4
"""Sigma of the blur of a fused picture, drawn from 0 to this; sharpness is matched already. A convention."""
QUALITIES: Final = (75, 95)
"""Of the JPEG that a fused picture is written as: person and background get the same traces of encoding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionRules:
    """What may change: with `place`, scale, mirror and position; with `match_light`, colours, and the
    shadow at the feet of who stands; with `soften`, sharpness
    and noise, which are brought to one level, and a slight blur of the whole.

    With `estimate`, the colours of the soft edge are estimated; without, the old background shines through there.
    """

    place: bool = True
    match_light: bool = True
    soften: bool = True
    estimate: bool = True


class SecondPlacement(msgspec.Struct, frozen=True, kw_only=True):
    """How a second person came into the frame: first its photograph `fitted` into it, then the person's `placement`."""

    fitted: Placement
    placement: Placement


class Recipe(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was drawn for one fused picture, so that it can be made again; pixels and shares of 1.

    `fitted` is how the person's photograph came into the frame of the background, where this is the frame.
    """

    placement: Placement | None
    light: float
    blur_px: float
    quality: int
    second: SecondPlacement | None = None
    fitted: Placement | None = None
    shot: Shot | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """A person where it will be, as colours (h, w, 3) and alpha (h, w), before a `frame` (h, w, 3).

    `whole` is the alpha of all persons: of this one, and of one who is in the frame already (see `fusion_second`).
    """

    colours: Image
    alpha: Alpha
    frame: Image
    whole: Alpha
    recipe: Recipe


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fused:
    """A fused picture (h, w, 3), its alpha (h, w), and how it was made."""

    image: Image
    alpha: Alpha
    recipe: Recipe


def generator_for(sample_id: str, *, seed: int, number: int) -> np.random.Generator:
    """Return the generator of one fused sample of a foreground: what it draws depends on nothing else.

    What must not change the other draws has a generator of its own, with a purpose before the id: `background of 0001`.
    """
    name = int.from_bytes(hashlib.sha256(sample_id.encode("utf-8", "surrogatepass")).digest()[:16], "big")
    return np.random.default_rng([seed, number, name])


def fuse(image: Image, *, alpha: Alpha, background: Image, rules: FusionRules, rng: np.random.Generator) -> Fused:
    """Lay the person of an image (h, w, 3), as its alpha (h, w) shows it, on a background.

    The frame keeps the image's size. `rng` alone decides what is drawn, in the same order for every set of rules.
    Raises BadRecord: a background that does not cover the frame (see `covering`).
    """
    return finished(staged(image, alpha=alpha, background=background, rules=rules, rng=rng))


def staged(image: Image, *, alpha: Alpha, background: Image, rules: FusionRules, rng: np.random.Generator) -> Scene:
    """Draw and prepare everything for one fused picture, as `fuse` does, but do not lay the person on the frame yet."""
    shot = shot_of(alpha)
    placement = draw_placement(rng, alpha=alpha, shot=shot)
    recipe = Recipe(
        placement=placement if rules.place else None,
        light=float(rng.uniform(0, MOST_LIGHT)) * rules.match_light,
        blur_px=float(rng.uniform(0, MOST_BLUR_PX)) * rules.soften,
        quality=int(rng.integers(QUALITIES[0], QUALITIES[1] + 1)),
        shot=shot,
    )
    frame = background_for(background, size=(alpha.shape[0], alpha.shape[1]), rng=rng)
    person = person_colours(image, alpha=alpha) if rules.estimate else image
    if recipe.placement is not None:
        person, alpha = placed(person, alpha=alpha, placement=recipe.placement)
    person = light_matched(person, alpha=alpha, background=frame, strength=recipe.light)
    if rules.soften:
        person, alpha, frame = texture_matched(person, alpha=alpha, frame=frame, rng=rng)
    if shot == "whole" and rules.match_light:
        frame = shaded(frame, alpha=alpha)
    return Scene(colours=person, alpha=alpha, frame=frame, whole=alpha, recipe=recipe)


def finished(scene: Scene) -> Fused:
    """Lay the person of a scene on its frame."""
    fused = composite(scene.colours, alpha=scene.alpha, background=scene.frame)
    return Fused(image=softened(fused, sigma_px=scene.recipe.blur_px), alpha=scene.whole, recipe=scene.recipe)
