"""The loss of holes: what is predicted in background that a person surrounds, such as the gap between arm and body.

Cross-entropy and IoU hardly see a hole: it covers a few thousandths of an image. Here it counts by itself.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from models.losses.pixels import pixel_entropy
from models.losses.targets import IGNORED, is_soft
from models.metrics.holes import label_holes


def holes(logits: Tensor, target: Tensor) -> Tensor:
    """Return the mean cross-entropy of the hole pixels of each image, as the mean over the images that have holes.

    It is 0 where none has, and follows hole recall as cross-entropy follows accuracy. Logits are (n, classes, h, w); of
    several classes a hole is background, class 0, that the others surround. What a hole is says `metrics.holes`, of the
    target as it is trained on; of alphas, where they are under one half.
    """
    where = hole_pixels(target)
    pixels = where.flatten(1).sum(dim=1)
    of_images = (pixel_entropy(logits, target) * where).flatten(1).sum(dim=1) / pixels.clamp(min=1)
    return of_images.sum() / (pixels > 0).sum().clamp(min=1)


def hole_pixels(target: Tensor) -> Tensor:
    """Return 1 in the holes of targets (n, h, w), else 0, (n, h, w) float; an ignored pixel is no part of one."""
    person = (target >= 0.5) if is_soft(target) else (target > 0)  # what is ignored surrounds as well
    masks = (person | (target == IGNORED)).to("cpu", torch.uint8).mul(255).numpy()
    found = np.stack([label_holes(mask) > 0 for mask in masks])
    return torch.from_numpy(found).to(target.device, torch.float32)
