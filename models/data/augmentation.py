"""Augmentation policies by name. The only file that imports albumentations."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from functools import cache
from typing import Any, Final, Literal, TypeAlias

import cv2
import numpy as np

from curation.images.pixels import Image
from models.data.class_maps import flipped_classes
from models.data.crop import OUTSIDE
from models.data.read_labels import AnyLabel
from models.data.soft_labels import from_planes, is_soft, planes_of
from models.losses.targets import IGNORED

Policy: TypeAlias = Literal["none", "source", "crop", "patch", "modern", "framed"]
POLICIES: Final[dict[Policy, str]] = {
    "none": "images as they are",
    "source": "flip, blur, colours, shift, turn by 10 degrees",
    "crop": "a patch or the whole at 0.75 to 1.25 times its size, flip",
    "patch": "a patch of 400 pixels or the whole, half of the time at 0.75 to 1.25 times its size, flip",
    "modern": "flip, zoom by 0.6 to 1.6, shift, turn, colours, gray, blur, noise, JPEG artefacts",
    "framed": "a window in which the person fills 12 to 85 %, flip, turn, colours, gray, blur, noise, JPEG artefacts",
}
VERTICAL_SHARE: Final = 0.5
OF_ALL_PIXELS: Final[frozenset[Policy]] = frozenset({"crop", "patch"})
"""Policies that cut from all pixels of an image, every time elsewhere."""


def augmented(
    image: Image,
    label: AnyLabel,
    *,
    policy: Policy,
    rng: np.random.Generator,
    mirrored: Sequence[int] | None = None,
    is_label_alone: bool = False,
) -> tuple[Image, AnyLabel]:
    """Return an image and its label, both changed as the policy draws from `rng`; the size stays.

    What a turn or a shift brings in from outside of the image is ignored. Classes are taken from the nearest pixel,
    alphas are interpolated bilinearly. `mirrored` is of class maps: which class each is in a mirror. With
    `is_label_alone` all that comes after the last transform that moves pixels is left out; it costs the most.
    """
    if policy == "none":
        return image, label
    if mirrored is not None:
        image, label = flipped_classes(image, label, mirrored=mirrored, rng=rng)
    compose = _compose(policy, has_alpha=is_soft(label), has_flip=mirrored is None, ends_with_moves=is_label_alone)
    # One stream for all transforms: `Compose(seed=...)` starts the same stream in each, so that exactly the images that
    # are flipped would also be blurred.
    compose.set_random_state(rng, random.Random(int(rng.integers(2**63))))  # noqa: S311 - no secret is drawn
    result = compose(image=image, mask=planes_of(label) if is_soft(label) else label)
    changed = from_planes(result["mask"]) if is_soft(label) else result["mask"]
    return np.ascontiguousarray(result["image"]), np.ascontiguousarray(changed)


def flipped_vertically(image: Image, label: AnyLabel, *, rng: np.random.Generator) -> tuple[Image, AnyLabel]:
    """Return an image and its label, upside down half of the time."""
    if rng.random() < VERTICAL_SHARE:
        return image[::-1].copy(), label[::-1].copy()
    return image, label


@cache
def _compose(policy: Policy, *, has_alpha: bool, has_flip: bool, ends_with_moves: bool) -> Any:
    # set before the import, which would otherwise ask a server whether there is a newer version
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    import albumentations  # type: ignore[import-untyped]

    transforms = {"source": _source, "crop": _crop, "patch": _crop, "modern": _modern, "framed": _framed}[policy]
    # of the two planes of an alpha, what lies outside counts nothing
    outside = {
        "fill": OUTSIDE,
        "fill_mask": 0 if has_alpha else IGNORED,
        "mask_interpolation": cv2.INTER_LINEAR if has_alpha else cv2.INTER_NEAREST,
    }
    made = transforms(albumentations, outside=outside)
    chosen = [one for one in made if has_flip or not isinstance(one, albumentations.HorizontalFlip)]
    while ends_with_moves and chosen and not isinstance(chosen[-1], albumentations.DualTransform):
        chosen.pop()
    return albumentations.Compose(chosen)


def _source(a: Any, *, outside: dict[str, Any]) -> list[Any]:
    return [
        a.HorizontalFlip(p=0.5),
        a.Blur(blur_limit=7, p=0.5),
        a.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.2, p=1.0),
        a.Affine(translate_percent=(-0.1, 0.1), p=0.5, **outside),
        a.Affine(rotate=(-10, 10), p=0.5, **outside),
    ]


def _crop(a: Any, **_: Any) -> list[Any]:
    return [a.HorizontalFlip(p=0.5)]


def _modern(a: Any, *, outside: dict[str, Any]) -> list[Any]:
    """Return what cameras, framing and the web do to a portrait."""
    return [
        a.HorizontalFlip(p=0.5),
        a.Affine(
            scale=(0.6, 1.6),
            translate_percent=(-0.2, 0.2),
            rotate=(-20, 20),
            keep_ratio=True,
            p=0.9,
            **outside,
        ),
        *_as_cameras_do(a),
    ]


def _framed(a: Any, *, outside: dict[str, Any]) -> list[Any]:
    """Return what is left to draw once the window is drawn."""
    return [a.HorizontalFlip(p=0.5), a.Affine(rotate=(-20, 20), p=0.5, **outside), *_as_cameras_do(a)]


def _as_cameras_do(a: Any) -> list[Any]:
    return [
        a.ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, p=0.9),
        a.ToGray(p=0.1),
        a.OneOf([a.GaussianBlur(sigma_limit=(0.5, 2.0)), a.MotionBlur(blur_limit=7)], p=0.2),
        a.GaussNoise(std_range=(0.01, 0.06), p=0.15),
        a.ImageCompression(quality_range=(30, 95), p=0.3),
    ]
