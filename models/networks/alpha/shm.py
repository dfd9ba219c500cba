"""Semantic Human Matting: a trimap network, a matting network that sees image and trimap, and their fusion.

Source: Chen et al. 2018, Semantic Human Matting (arXiv 1809.01354). Two things are otherwise: what the source unpools
by the places of maxima is enlarged bilinearly, and the encoder's features of that size are added instead. Where two
values are nearly equal, the place of the maximum is decided by rounding, and runtimes would give different hair.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor, nn

from models.losses.alphas import AlphaParts
from models.losses.targets import BACKGROUND, FOREGROUND, UNKNOWN
from models.networks.alpha.alpha_network import AlphaNetwork, refuse_classes
from models.networks.catalogue import build_network
from models.networks.layers import initialise, upsampled
from models.networks.padding import padded

CLASSES: Final = 3
CONVOLUTIONS: Final = (2, 2, 3, 3, 3)
"""Of each stage of the encoder, as in VGG-16 (Simonyan and Zisserman 2015), without its fully connected layers."""
GROWTH: Final = (1, 2, 4, 8, 8)
"""Channels of each stage, as multiples of the first."""
STRIDE: Final = 16
LOSSES: Final[Mapping[str, float]] = {"alpha": 0.5, "composition": 0.5, "laplacian": 0.0, "trimap": 0.01}
"""Source: section 3.4, gamma 0.5 and lambda 0.01."""


def convolved(in_channels: int, *, out_channels: int, side: int) -> nn.Sequential:
    """Return a convolution of `side` x `side` pixels, its batch norm and a ReLU; the size is kept."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, side, padding=side // 2, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


class MattingNetwork(nn.Module):
    """M-Net: from image and trimap, (n, 6, h, w), to a raw alpha; `width` channels at the full size."""

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = [width * factor for factor in GROWTH]
        stages, channels = [], 3 + CLASSES
        for number, wide in zip(CONVOLUTIONS, widths):
            layers = [convolved(channels if index == 0 else wide, out_channels=wide, side=3) for index in range(number)]
            stages.append(nn.Sequential(*layers))
            channels = wide
        self.encoder = nn.ModuleList(stages)
        self.pool = nn.MaxPool2d(2)
        below = [widths[-1], *reversed(widths[:-1])]
        self.decoder = nn.ModuleList(
            convolved(deep, out_channels=wide, side=5) for deep, wide in zip(below, [*reversed(widths[:-1]), widths[0]])
        )
        self.head = nn.Conv2d(widths[0], 1, 5, padding=2)
        initialise(self)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return (n, 1, h, w) in 0..1."""
        height, width = pictures.shape[-2:]
        features, skips = padded(pictures, multiple=STRIDE), []
        for number, stage in enumerate(self.encoder):
            features = stage(self.pool(features) if number else features)
            skips.append(features)
        skips.pop()
        for decode in self.decoder:
            features = decode(features)
            if skips:
                skip = skips.pop()
                features = upsampled(features, like=skip) + skip
        alpha: Tensor = torch.sigmoid(self.head(features))
        return alpha[..., :height, :width]


class SemanticHumanMatting(AlphaNetwork):
    """T-Net and M-Net; parts are named `t_net` and `m_net`, so that a stage can freeze either."""

    losses = LOSSES

    def __init__(self, t_net: nn.Module, *, width: int) -> None:
        super().__init__()
        self.t_net = t_net
        self.m_net = MattingNetwork(width)

    def parts(self, image: Tensor, trimap: Tensor | None = None, *, only_trimap: bool = False) -> AlphaParts:
        """Return the fused alpha and the trimap's logits. Source: section 3.3, equation 3."""
        logits: Tensor | None = self.t_net(image) if trimap is None else None
        shares = trimap if logits is None else torch.softmax(logits, dim=1)
        assert shares is not None, "a trimap is given or predicted"
        raw = torch.full_like(shares[:, :1], 0.5) if only_trimap else self.m_net(torch.cat((image, shares), dim=1))
        return AlphaParts(alpha=fused(shares, raw=raw), trimap=logits)


def fused(shares: Tensor, *, raw: Tensor) -> Tensor:
    """Return alpha = foreground + unknown * raw, of the shares (n, 3, h, w) of a trimap.

    >>> shares = torch.tensor([0.2, 0.5, 0.3]).view(1, 3, 1, 1)
    >>> round(fused(shares, raw=torch.full((1, 1, 1, 1), 0.4)).item(), 6)
    0.5
    """
    order = {BACKGROUND, UNKNOWN, FOREGROUND}
    assert order == set(range(CLASSES)), "the channels of a trimap are its classes"
    return shares[:, FOREGROUND : FOREGROUND + 1] + shares[:, UNKNOWN : UNKNOWN + 1] * raw


def shm(*, classes: int, with_imagenet: bool, t_net: str, width: str) -> nn.Module:
    """Return the network on a T-Net of the catalogue; `with_imagenet` is for that one.

    Raises ConfigurationProblem for several classes, and where the T-Net has no ImageNet weights.
    """
    refuse_classes("shm", classes=classes)
    return SemanticHumanMatting(build_network(t_net, classes=CLASSES, with_imagenet=with_imagenet), width=int(width))
