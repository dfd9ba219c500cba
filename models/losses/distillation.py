"""What a student learns from a teacher: to give the probability of person that the teacher gives, pixel by pixel.

Logits are (n, 1, h, w). What is taught is (n, h, w) floating-point, the teacher's probability from 0 to 1; 255 where it
says nothing. It is kept in 8 bits, so that a teacher is at most as sure as half a step from 0 and 1.
"""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812  (the name by which everyone knows it)
from torch import Tensor

from models.distillation import Distillation
from models.losses.pixels import boundary_factor
from models.losses.targets import IGNORED

SUREST: Final = 1 - 0.5 / 255
"""The most that 8 bits can say: nearer to 1 is 1, whose logit is infinite."""
DISTILLATION: Final = "distillation"
"""The name of the term."""


def distillation(logits: Tensor, taught: Tensor, *, how: Distillation) -> Tensor:
    """Return the weighted mean over pixels of T^2 KL(teacher || student), both at the temperature T.

    It is 0 where the student says what the teacher says, and where no pixel counts. Logits are (n, 1, h, w), what is
    taught (n, h, w) in 0..1 or 255. Source: Hinton et al. 2015, Distilling the Knowledge in a Neural Network, section
    2, of each pixel as in Liu et al. 2019, Structured Knowledge Distillation for Semantic Segmentation, equation 2.
    """
    weight = taught_weight(taught, how=how).to(logits.dtype)
    teacher = torch.logit(taught.clamp(1 - SUREST, SUREST).to(logits.dtype)) / how.temperature
    share = torch.sigmoid(teacher)
    cross = F.binary_cross_entropy_with_logits(logits[:, 0] / how.temperature, share, reduction="none")
    own = F.binary_cross_entropy_with_logits(teacher, share, reduction="none")
    divergence = how.temperature**2 * (cross - own)
    return (divergence * weight).sum() / weight.sum().clamp(min=1)


def taught_weight(taught: Tensor, *, how: Distillation) -> Tensor:
    """Return what each pixel counts, (n, h, w) float: 0 where the teacher says nothing, or is less sure than asked for.

    What is taught is (n, h, w) in 0..1 or 255.
    """
    is_taught = taught != IGNORED
    is_sure = torch.maximum(taught, 1 - taught) >= how.confidence
    return (is_taught & is_sure).float() * boundary_factor(taught, classes=1, weight=how.boundary)
