"""Augmentation policies by name. The only file that imports albumentations."""

from __future__ import annotations

import os
import random
from functools import cache
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from curation.pixels import Image
from models.data.cropping import OUTSIDE
from models.data.labels import Label
from models.losses import IGNORED

Policy: TypeAlias = Literal["none", "source", "crop", "modern"]
POLICIES: Final[dict[Policy, str]] = {
    "none": "images as they are",
    "source": "flip, blur, colours, shift, turn by 10 degrees",
    "crop": "a patch or the whole at 0.75 to 1.25 times its size, flip",
    "modern": "flip, zoom by 0.6 to 1.6, shift, turn, colours, gray, blur, noise, JPEG artefacts",
}


def augmented(image: Image, label: Label, *, policy: Policy, rng: np.random.Generator) -> tuple[Image, Label]:
    """Give an image and its label, both changed as the policy draws from `rng`; the size stays.

    What a turn or a shift brings in from outside of the image is ignored.
    """
    if policy == "none":
        return image, label
    compose = _compose(policy)
    # One stream for all transforms: `Compose(seed=...)` starts the same stream in each, so that exactly the images that
    # are flipped would also be blurred.
    compose.set_random_state(rng, random.Random(int(rng.integers(2**63))))  # noqa: S311 - no secret is drawn
    result = compose(image=image, mask=label)
    return np.ascontiguousarray(result["image"]), np.ascontiguousarray(result["mask"])


@cache
def _compose(policy: Policy) -> Any:
    # set before the import, which would otherwise ask a server whether there is a newer version
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    import albumentations  # type: ignore[import-untyped]

    transforms = {"source": _source, "crop": _crop, "modern": _modern}[policy](albumentations)
    return albumentations.Compose(transforms)


def _source(a: Any) -> list[Any]:
    outside = {"fill": OUTSIDE, "fill_mask": IGNORED, "p": 0.5}
    return [
        a.HorizontalFlip(p=0.5),
        a.Blur(blur_limit=7, p=0.5),
        a.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.2, p=1.0),
        a.Affine(translate_percent=(-0.1, 0.1), **outside),
        a.Affine(rotate=(-10, 10), **outside),
    ]


def _crop(a: Any) -> list[Any]:
    return [a.HorizontalFlip(p=0.5)]


def _modern(a: Any) -> list[Any]:
    """Give what cameras, framing and the web do to a portrait."""
    return [
        a.HorizontalFlip(p=0.5),
        a.Affine(
            scale=(0.6, 1.6),
            translate_percent=(-0.2, 0.2),
            rotate=(-20, 20),
            keep_ratio=True,
            fill=OUTSIDE,
            fill_mask=IGNORED,
            p=0.9,
        ),
        a.ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, p=0.9),
        a.ToGray(p=0.1),
        a.OneOf([a.GaussianBlur(sigma_limit=(0.5, 2.0)), a.MotionBlur(blur_limit=7)], p=0.2),
        a.GaussNoise(std_range=(0.01, 0.06), p=0.15),
        a.ImageCompression(quality_range=(30, 95), p=0.3),
    ]
