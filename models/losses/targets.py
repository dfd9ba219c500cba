"""What a loss compares logits with: class labels, or alphas between 0 and 1, and which pixels are ignored.

Logits are (n, classes, h, w): with 1 class the logit of person. A target is (n, h, w): int64 of 0..classes-1 (with 1
class: 1 is person), or floating-point, the share of person from 0 to 1, for 1 class alone. 255 is ignored in both.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

IGNORED: Final = 255
BACKGROUND, UNKNOWN, FOREGROUND = 0, 1, 2
"""The classes of a trimap."""


def is_soft(target: Tensor) -> bool:
    """Tell whether a target (n, h, w) holds alphas (float) rather than class labels (int)."""
    return target.is_floating_point()


def probability(logits: Tensor) -> Tensor:
    """Return the probability of each class, (n, classes, h, w); with 1 class that of person."""
    return torch.sigmoid(logits) if logits.shape[1] == 1 else torch.softmax(logits, dim=1)


def person_share(target: Tensor) -> Tensor:
    """Return the share of person from 0 to 1 as floating-point, (n, h, w); it is 0 where a pixel is ignored."""
    if is_soft(target):
        return target.masked_fill(target == IGNORED, 0)
    return (target == 1).float()


def class_shares(target: Tensor, *, classes: int) -> Tensor:
    """Return the share of each class, (n, classes, h, w) float: 0 or 1 for class labels, and 0 where ignored.

    With 1 class it is that of person; with 2, alphas are shared between background and person.
    """
    if is_soft(target):
        person = person_share(target).unsqueeze(1)
        background = (target != IGNORED).unsqueeze(1).to(person) - person if classes > 1 else person[:, :0]
        return torch.cat([background, person], dim=1)
    labels = torch.arange(classes, device=target.device) if classes > 1 else torch.ones(1, device=target.device)
    return (target.unsqueeze(1) == labels.view(1, -1, 1, 1)).float()
