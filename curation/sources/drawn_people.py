"""Drawn people on real photographs: sample data for the demo, with a truth that is known to the pixel."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Image, decode_image

PHOTOGRAPHS: Final = (
    "brick.png",
    "chelsea.png",
    "coffee.png",
    "grass.png",
    "gravel.png",
    "motorcycle_left.png",
    "motorcycle_right.png",
    "rocket.jpg",
)
"""Person-free photographs inside scikit-image (public domain or CC0)."""

Points = NDArray[np.float64]
SUPERSAMPLING: Final = 4
SKIN: Final = ((255, 219, 187), (224, 172, 125), (172, 118, 76), (120, 78, 50), (241, 194, 155))
CLOTH: Final = (
    (38, 70, 110),
    (142, 48, 48),
    (46, 98, 66),
    (90, 84, 120),
    (196, 158, 70),
    (60, 60, 66),
    (214, 214, 220),
)
HAIR: Final = ((30, 24, 22), (70, 44, 28), (128, 92, 50), (180, 150, 100), (150, 150, 155))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Person:
    """A drawn person on an empty frame: colours (H, W, 3) uint8 RGB, and alpha (H, W) uint8 with soft edges."""

    colours: Image
    alpha: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """Where a person stands: x of the body's middle, y of the top of the head, and head height, all in pixels."""

    middle: float
    top: float
    head: float
    has_hand_on_hip: bool = False


def photograph(rng: np.random.Generator, *, height: int, width: int) -> Image:
    """Return a piece (height, width, 3) of one of the person-free photographs, at random place, scale and side."""
    name = PHOTOGRAPHS[rng.integers(len(PHOTOGRAPHS))]
    whole = decode_image(files("skimage").joinpath("data", name).read_bytes(), file=name)
    scale = max(height / whole.shape[0], width / whole.shape[1]) * rng.uniform(1.0, 1.3)
    size = (max(width, round(whole.shape[1] * scale)), max(height, round(whole.shape[0] * scale)))
    scaled = cv2.resize(whole, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    y = rng.integers(scaled.shape[0] - height + 1)
    x = rng.integers(scaled.shape[1] - width + 1)
    piece = scaled[y : y + height, x : x + width]
    return np.ascontiguousarray(piece[:, ::-1] if rng.random() < 0.5 else piece)


def draw_person(rng: np.random.Generator, *, height: int, width: int, pose: Pose) -> Person:
    """Draw a person to the waist or to the frame's lower edge.

    A hand on the hip leaves a hole of background between arm and body, as models like to miss.
    """
    shape = (height * SUPERSAMPLING, width * SUPERSAMPLING)
    colours = np.zeros((*shape, 3), np.uint8)
    alpha = np.zeros(shape, np.uint8)
    for points, colour in _parts(rng, pose=pose, height=height):
        corners = np.round(np.asarray(points) * SUPERSAMPLING).astype(np.int32)
        cv2.fillPoly(colours, [corners], colour)
        cv2.fillPoly(alpha, [corners], 255)
    size = (width, height)
    soft = cv2.GaussianBlur(cv2.resize(alpha, size, interpolation=cv2.INTER_AREA), (0, 0), 0.8)
    flat = cv2.resize(cv2.dilate(colours, np.ones((9, 9), np.uint8)), size, interpolation=cv2.INTER_AREA)
    lit = flat * _light(rng, height=height, width=width)[..., None] + rng.normal(0, 4, (height, width, 3))
    return Person(colours=np.clip(lit, 0, 255).astype(np.uint8), alpha=np.asarray(soft, np.uint8))


def composite(person: Person, background: Image) -> Image:
    """Lay a person over a background of the same size: alpha * F + (1 - alpha) * B, rounded."""
    share = person.alpha[..., None].astype(np.float32) / 255
    return np.rint(person.colours * share + background * (1 - share)).astype(np.uint8)


def _parts(rng: np.random.Generator, *, pose: Pose, height: int) -> list[tuple[Points, tuple[int, int, int]]]:
    """Return the body from back to front as polygons (n, 2) of x, y in pixels, each with its colour."""
    x, top, head = pose.middle, pose.top, pose.head
    skin, cloth, hair = (colours[int(rng.integers(len(colours)))] for colours in (SKIN, CLOTH, HAIR))
    shoulder, bottom = top + 1.25 * head, height + head
    wide = head * rng.uniform(1.05, 1.25)
    body = [(x - wide, shoulder + 0.25 * head), (x - 0.35 * head, shoulder - 0.1 * head)]
    body += [(2 * x - a, b) for a, b in reversed(body)]
    body += [(x + 0.72 * head, shoulder + 1.2 * head), (x + 0.75 * head, bottom), (x - 0.75 * head, bottom)]
    body += [(x - 0.72 * head, shoulder + 1.2 * head)]
    sides = (-1, 1)
    bent = int(rng.integers(2)) if pose.has_hand_on_hip else -1
    arms = [
        part
        for i, side in enumerate(sides)
        for part in _arm(x, shoulder, head=head, wide=wide, side=side, is_bent=i == bent)
    ]
    long_hair = rng.random() < 0.5
    hair_middle, hair_radius = (0.62, 0.72) if long_hair else (0.42, 0.5)
    back_of_hair = _ellipse(x, top + hair_middle * head, radii=(0.47 * head, hair_radius * head))
    neck = [(x - 0.17 * head, top + 0.7 * head), (x + 0.17 * head, top + 0.7 * head)]
    neck += [(x + 0.24 * head, shoulder + 0.1 * head), (x - 0.24 * head, shoulder + 0.1 * head)]
    darker = _scaled(cloth, 0.85)
    return [
        (back_of_hair, hair),
        *((arm, darker) for arm in arms),
        (np.asarray(body), cloth),
        (np.asarray(neck), _scaled(skin, 0.88)),
        (_ellipse(x, top + 0.52 * head, radii=(0.36 * head, 0.48 * head)), skin),
        (_ellipse(x, top + 0.16 * head, radii=(0.34 * head, 0.2 * head)), hair),
        *(
            (_ellipse(x + side * 0.14 * head, top + 0.5 * head, radii=(0.04 * head, 0.03 * head)), (40, 30, 28))
            for side in sides
        ),
        (_ellipse(x, top + 0.78 * head, radii=(0.1 * head, 0.025 * head)), _scaled(skin, 0.6)),
    ]


def _arm(x: float, shoulder: float, *, head: float, wide: float, side: int, is_bent: bool) -> list[Points]:
    """Return upper arm and forearm; a bent arm ends at the hip, a hanging one below it."""
    upper = (x + side * (wide - 0.16 * head), shoulder + 0.32 * head)
    if is_bent:
        elbow = (x + side * (wide + 0.85 * head), shoulder + 1.4 * head)
        hand = (x + side * 0.75 * head, shoulder + 2.1 * head)
    else:
        elbow = (x + side * (wide + 0.02 * head), shoulder + 1.6 * head)
        hand = (x + side * (wide + 0.05 * head), shoulder + 3.0 * head)
    return [_capsule(upper, elbow, radius=0.17 * head), _capsule(elbow, hand, radius=0.14 * head)]


def _capsule(start: tuple[float, float], end: tuple[float, float], *, radius: float) -> Points:
    """Return a thick line with round ends as a polygon (n, 2)."""
    angle = np.arctan2(end[1] - start[1], end[0] - start[0])
    turn = np.linspace(np.pi / 2, 3 * np.pi / 2, 24)
    caps = [
        np.asarray(centre) + radius * np.stack([np.cos(angle + turn + extra), np.sin(angle + turn + extra)], axis=1)
        for centre, extra in ((start, 0.0), (end, np.pi))
    ]
    return np.concatenate(caps)


def _ellipse(x: float, y: float, *, radii: tuple[float, float]) -> Points:
    angles = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    return np.stack([x + radii[0] * np.cos(angles), y + radii[1] * np.sin(angles)], axis=1)


def _light(rng: np.random.Generator, *, height: int, width: int) -> NDArray[np.float64]:
    """Return a factor (H, W) that falls from one side to the other, as light from a window does."""
    across = np.linspace(1.1, 0.75, width)
    down = np.linspace(1.05, 0.9, height)
    return np.outer(down, across if rng.random() < 0.5 else across[::-1])


def _scaled(colour: tuple[int, int, int], factor: float) -> Any:
    return tuple(int(part * factor) for part in colour)
