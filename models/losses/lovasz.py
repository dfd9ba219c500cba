"""The Lovász extension of 1 - IoU: of class labels alone.

It orders the errors of pixels that are wrong or right, and says by how much IoU falls with each. With an alpha between
0 and 1 a pixel is neither, so that there is no set of wrong pixels to extend: `check_terms` refuses it there.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812  (the name by which everyone knows it)
from torch import Tensor

from models.losses.targets import IGNORED


def lovasz(logits: Tensor, target: Tensor) -> Tensor:
    """Return the Lovász extension of 1 - IoU, per image, as the mean over the images that have a pixel to look at.

    With 1 class the hinge form on the logit of person; else the softmax form, the mean over the classes of the image.
    Source: Berman et al. 2018, The Lovász-Softmax loss, equations 9 to 11 and algorithm 1.
    """
    each = [
        _lovasz_hinge(logit[0][label != IGNORED], label[label != IGNORED])
        if logits.shape[1] == 1
        else _lovasz_softmax(logit[:, label != IGNORED], label[label != IGNORED])
        for logit, label in zip(logits, target)
        if bool((label != IGNORED).any())
    ]
    return torch.stack(each).mean() if each else logits.sum() * 0


def _lovasz_hinge(logit: Tensor, label: Tensor) -> Tensor:
    """Return the loss of one image; `logit`, a logit of any float, and `label`, 0 or 1, are of shape (pixels,)."""
    person = label.to(logit.dtype)
    errors, order = torch.sort(1 - logit * (2 * person - 1), descending=True)
    return torch.dot(F.relu(errors), _jaccard_steps(person[order]))


def _lovasz_softmax(logits: Tensor, label: Tensor) -> Tensor:
    """Return the loss of one image; `logits` are (classes, pixels), `label` (pixels,)."""
    losses = []
    for number, probability in enumerate(torch.softmax(logits, dim=0)):
        truth = (label == number).to(logits.dtype)
        if bool(truth.any()):
            errors, order = torch.sort((truth - probability).abs(), descending=True)
            losses.append(torch.dot(errors, _jaccard_steps(truth[order])))
    return torch.stack(losses).mean()


def _jaccard_steps(truth: Tensor) -> Tensor:
    """Return by how much 1 - IoU grows with each wrong pixel, the worst first; `truth` (pixels,) is float, 0 or 1.

    Source: algorithm 1 of the paper."""
    total = truth.sum()
    jaccard = 1 - (total - truth.cumsum(0)) / (total + (1 - truth).cumsum(0))
    return torch.diff(jaccard, prepend=jaccard.new_zeros(1))
