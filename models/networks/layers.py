"""The layers that the networks written here are made of."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F  # noqa: N812  (the name by which everyone knows it)
from torch import Tensor, nn


def pointwise(in_channels: int, *, out_channels: int) -> nn.Sequential:
    """Return a 1 x 1 convolution, its batch norm and a ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)
    )


def depthwise(channels: int, *, stride: int = 1, dilation: int = 1) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    """Return a 3 x 3 convolution of each channel by itself, and its batch norm; at stride 1 the size is kept."""
    convolution = nn.Conv2d(
        channels, channels, 3, stride=stride, padding=dilation, dilation=dilation, groups=channels, bias=False
    )
    return convolution, nn.BatchNorm2d(channels)


def separable(in_channels: int, *, out_channels: int, dilation: int = 1) -> nn.Sequential:
    """Return a depthwise 3 x 3 convolution, then a pointwise one, each with batch norm and ReLU."""
    return nn.Sequential(
        *depthwise(in_channels, dilation=dilation),
        nn.ReLU(inplace=True),
        *pointwise(in_channels, out_channels=out_channels),
    )


def upsampled(features: Tensor, *, like: Tensor) -> Tensor:
    """Return features (n, c, h, w) float at the height and width of another tensor, bilinear between pixel centres.

    Sizes come from the other tensor, not from a factor: at odd sizes a factor is a pixel off.
    """
    return F.interpolate(features, size=like.shape[-2:], mode="bilinear", align_corners=False)


def initialise(network: nn.Module) -> None:
    """Draw the weights of every convolution for ReLU, keeping the variance of the gradient; batch norms start as one.

    A convolution with a bias has no batch norm behind it, so it keeps the variance of what goes through it: a head with
    one class would otherwise begin with logits of 10 and more.
    Source: He et al. 2015, Delving Deep into Rectifiers, section 2.2.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            is_normed = module.bias is None
            # The weight of a transposed convolution has its first two axes the other way round.
            is_turned = isinstance(module, nn.ConvTranspose2d)
            mode: Literal["fan_in", "fan_out"] = "fan_out" if is_normed != is_turned else "fan_in"
            nn.init.kaiming_normal_(module.weight, mode=mode, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
