"""Losses of networks that give an alpha, as named terms: alpha, composition, laplacian, trimap, semantic, detail.

All are computed in float32, also under mixed precision, and none looks at a pixel that is ignored. Alphas are
(n, 1, h, w) in 0..1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812  (the name by which everyone knows it)
from torch import Tensor

from curation.errors import ConfigurationProblem
from models.losses.targets import BACKGROUND, FOREGROUND, IGNORED, UNKNOWN
from models.losses.terms import check_weights

EPSILON: Final = 1e-6
"""Keeps the square root of a difference of 0 smooth. Source: Xu et al. 2017, Deep Image Matting, equation 1."""
PYRAMID_LEVELS: Final = 5
"""Source: Hou and Liu 2019, Context-Aware Image Matting, equation 3."""
BINOMIAL: Final = {3: (1.0, 2.0, 1.0), 5: (1.0, 4.0, 6.0, 4.0, 1.0)}
"""Weights of a small Gaussian, by its number of pixels."""
SEMANTIC_STRIDE: Final = 16
"""Source: Ke et al. 2022, MODNet, section 3.2: the thumbnail of the alpha is 16 times smaller."""
BAND_SHARE: Final = 1 / 40
"""How far the unknown band reaches to both sides of what is soft, as a share of the longer side: 8 pixels of 320."""
HALF_STEP: Final = 0.5 / 255
"""Nearer to 0 and 1 an alpha of 8 bits is not soft."""


class AlphaParts(NamedTuple):
    """What an alpha network gives while it trains: `alpha`, and what its branches say where it has them.

    `trimap` are logits (n, 3, h, w) of background, unknown and foreground; `detail` is an alpha of which only the
    unknown band counts; `semantic` is a thumbnail of the alpha, a 16th of the size, rounded up.
    """

    alpha: Tensor
    trimap: Tensor | None = None
    semantic: Tensor | None = None
    detail: Tensor | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AlphaTarget:
    """What a batch should give: `alpha` (n, 1, h, w), where it is `valid` (n, 1, h, w), and the colours of the images,
    (n, 3, h, w) in 0..1; `trimap` (n, h, w) is 0, 1 or 2, and 255 where a pixel is ignored."""

    alpha: Tensor
    valid: Tensor
    colours: Tensor
    trimap: Tensor


def alpha_target(alpha: Tensor, *, valid: Tensor, colours: Tensor) -> AlphaTarget:
    """Return the target of a batch from its true alphas, with a trimap whose band grows with the image."""
    trimap = trimap_of_alpha(alpha, reach=band_reach(alpha.shape[-2], alpha.shape[-1]))
    ignored = torch.full_like(trimap, IGNORED)
    return AlphaTarget(alpha=alpha, valid=valid, colours=colours, trimap=torch.where(valid[:, 0], trimap, ignored))


def band_reach(height: int, width: int) -> int:
    """Return how many pixels the unknown band reaches to both sides of what is soft.

    >>> band_reach(320, 240)
    8
    """
    return max(1, round(BAND_SHARE * max(height, width)))


def trimap_of_alpha(alpha: Tensor, *, reach: int) -> Tensor:
    """Return (n, h, w) int64: unknown within `reach` pixels (of a square) of what is neither 0 nor 1, or of a step.

    Source: Chen et al. 2018, Semantic Human Matting, section 4.2: the trimap is the dilated soft part of the alpha.
    """
    side = 2 * reach + 1
    highest = F.max_pool2d(alpha, side, stride=1, padding=reach)
    lowest = -F.max_pool2d(-alpha, side, stride=1, padding=reach)
    trimap = torch.full_like(alpha, UNKNOWN, dtype=torch.int64)
    trimap[highest < HALF_STEP] = BACKGROUND
    trimap[lowest > 1 - HALF_STEP] = FOREGROUND
    return trimap[:, 0]


def given_trimap(target: AlphaTarget) -> Tensor:
    """Return the true trimap as a network takes it, (n, 3, h, w) of 0 and 1; what is ignored is unknown."""
    classes = torch.where(target.trimap == IGNORED, UNKNOWN, target.trimap)
    return F.one_hot(classes, 3).permute(0, 3, 1, 2).to(target.alpha.dtype)


def part_of_batch(parts: AlphaParts, number: int) -> AlphaParts:
    """Return what a network gives for one image of a batch."""
    one = slice(number, number + 1)
    return AlphaParts(*(None if part is None else part[one] for part in parts))  # type: ignore[arg-type]


def target_of_batch(target: AlphaTarget, number: int) -> AlphaTarget:
    """Return what one image of a batch should give."""
    one = slice(number, number + 1)
    return AlphaTarget(
        alpha=target.alpha[one], valid=target.valid[one], colours=target.colours[one], trimap=target.trimap[one]
    )


def alpha_terms(
    parts: AlphaParts,
    target: AlphaTarget,
    *,
    weights: Mapping[str, float],
    shares: Mapping[str, float] | None = None,
) -> dict[str, Tensor]:
    """Return each term in `weights` by its name, unweighted, and their weighted sum as "total".

    In the total each term also counts by its share in `shares`, 1 where that is None. Raises ConfigurationProblem for a
    term of a part that the network does not have.
    """
    with torch.autocast(target.alpha.device.type, enabled=False):
        told = AlphaParts(*(None if part is None else part.float() for part in parts))  # type: ignore[arg-type]
        terms = {name: TERMS[name](told, target) for name in weights}
        counted = {name: weight * (1 if shares is None else shares[name]) for name, weight in weights.items()}
        total = sum((counted[name] * term for name, term in terms.items()), start=told.alpha.sum() * 0)
    return {**terms, "total": total}


def alpha_shares(labels: Sequence[Tensor], *, weights: Mapping[str, float]) -> list[dict[str, float]]:
    """Return for each batch that makes up a step by how much its terms count in the step: by its pixels that count.

    Labels are (n, h, w), 255 where a pixel is ignored. The losses of the batches then add up to that of the step as one
    batch; where pixels are ignored, that of the thumbnail (`semantic`) nearly so.
    """
    counted = [float((label != IGNORED).sum()) for label in labels]
    whole = math.fsum(counted)
    return [dict.fromkeys(weights, own / whole if whole else 0.0) for own in counted]


def check_alpha_terms(weights: Mapping[str, float], *, known: Mapping[str, float]) -> None:
    """Refuse a name that is no term of the network, a weight below 0, and no weight at all.

    `known` are the terms of the network with the weights of its source. Raises ConfigurationProblem.
    """
    listed = f"choose of: {', '.join(known)}; for example {','.join(f'{name}={known[name]:g}' for name in known)}"
    if unknown := [name for name in weights if name not in known]:
        raise ConfigurationProblem(f"a network that gives an alpha has no loss {unknown[0]!r}", remedy=listed)
    check_weights(weights, known=listed)


def alpha_prediction(parts: AlphaParts, target: AlphaTarget) -> Tensor:
    """Return the mean of sqrt((prediction - truth)^2 + epsilon^2).

    Source: Xu et al. 2017, Deep Image Matting, equation 1; Chen et al. 2018, equation 4, over the whole image.
    """
    return _mean(_smooth(parts.alpha - target.alpha), valid=target.valid)


def composition(parts: AlphaParts, target: AlphaTarget) -> Tensor:
    """Return the mean difference of the image laid on black with the predicted and with the true alpha.

    Source: Xu et al. 2017, equation 2. Of a photograph the foreground's own colours are not known, so its colours as
    they are stand for them.
    """
    difference = (parts.alpha - target.alpha) * target.colours
    return _mean(_smooth(difference).mean(dim=1, keepdim=True), valid=target.valid)


def laplacian(parts: AlphaParts, target: AlphaTarget) -> Tensor:
    """Return the sum over five levels of 2^(level - 1) |difference of the Laplacian pyramids|, per pixel of the image.

    Each level is what a binomial blur takes away, the last is what is left; a level has a quarter of the pixels of the
    one before. Source: Hou and Liu 2019, equation 3; Burt and Adelson 1983 for the pyramid.
    """
    rest = torch.where(target.valid, parts.alpha - target.alpha, 0)  # the pyramid is linear: one of the difference
    total, pixels = rest.new_zeros(()), target.valid.sum().clamp(min=1)
    for level in range(PYRAMID_LEVELS):
        is_last = level == PYRAMID_LEVELS - 1
        low = rest if is_last else blurred(rest, pixels=5)
        band = rest if is_last else rest - low
        total = total + 2**level * band.abs().sum() / pixels
        rest = low[..., ::2, ::2]
    return total


def trimap(parts: AlphaParts, target: AlphaTarget) -> Tensor:
    """Return the mean cross-entropy of the trimap's classes. Source: Chen et al. 2018, section 3.4."""
    logits = _needed(parts.trimap, name="trimap")
    entropy = F.cross_entropy(logits, target.trimap, ignore_index=IGNORED, reduction="none")
    return _mean(entropy.unsqueeze(1), valid=target.valid)


def semantic(parts: AlphaParts, target: AlphaTarget) -> Tensor:
    """Return half of the mean squared difference from a blurred thumbnail of the alpha.

    Source: Ke et al. 2022, MODNet, equation 1.
    """
    found = _needed(parts.semantic, name="semantic")
    height, width = (SEMANTIC_STRIDE * side for side in found.shape[-2:])
    margins = (0, width - target.alpha.shape[-1], 0, height - target.alpha.shape[-2])
    whole, counted = (F.pad(one.float(), margins, mode="replicate") for one in (target.alpha, target.valid))
    small = blurred(F.avg_pool2d(whole, SEMANTIC_STRIDE), pixels=3)
    is_valid = F.avg_pool2d(counted, SEMANTIC_STRIDE) == 1
    return _mean((found - small).square(), valid=is_valid) / 2


def detail(parts: AlphaParts, target: AlphaTarget) -> Tensor:
    """Return the sum of |detail - alpha| over the unknown band, per pixel of the image.

    Source: Ke et al. 2022, MODNet, equation 2, whose mask is the dilated soft part of the alpha.
    """
    found = _needed(parts.detail, name="detail")
    band = (target.trimap == UNKNOWN).unsqueeze(1)
    return _mean((found - target.alpha).abs() * band, valid=target.valid)


TERMS: Final[dict[str, Callable[[AlphaParts, AlphaTarget], Tensor]]] = {
    "alpha": alpha_prediction,
    "composition": composition,
    "laplacian": laplacian,
    "trimap": trimap,
    "semantic": semantic,
    "detail": detail,
}


def blurred(plane: Tensor, *, pixels: int) -> Tensor:
    """Return (n, 1, h, w) blurred with a binomial of 3 or 5 pixels; beyond the frame its outermost pixels go on."""
    weights = torch.tensor(BINOMIAL[pixels], dtype=plane.dtype, device=plane.device)
    row = (weights / weights.sum()).view(1, 1, 1, -1)
    reach = pixels // 2
    around = F.pad(plane, (reach, reach, reach, reach), mode="replicate")
    return F.conv2d(F.conv2d(around, row), row.transpose(2, 3))


def _smooth(difference: Tensor) -> Tensor:
    return (difference.square() + EPSILON**2).sqrt()


def _mean(values: Tensor, *, valid: Tensor) -> Tensor:
    """Return the mean over the pixels that are valid, and 0 where none is."""
    return torch.where(valid, values, 0).sum() / valid.sum().clamp(min=1)


def _needed(part: Tensor | None, *, name: str) -> Tensor:
    if part is None:
        raise ConfigurationProblem(
            f"the network has no branch for the loss {name!r}", remedy="leave it out of the losses of the stage"
        )
    return part
