"""ShuffleNet V2: the units and the backbone of every ShuffleNet network here.

Source: Ma et al. 2018, ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design, figure 3 and table 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import Tensor, nn

from models.networks.layers import depthwise, initialise, pointwise

STRIDE_OF_STAGE: Final = (8, 16, 32)
"""Of stages 2, 3 and 4 in an ordinary backbone, against the image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimensions:
    """How wide and deep a backbone is: channels after the stem, then of stages 2, 3 and 4, and units in each stage.

    From `output_stride` on, a stage dilates instead of halving its size, so that weights fit at any output stride.
    """

    widths: tuple[int, int, int, int] = (24, 116, 232, 464)
    units: tuple[int, int, int] = (4, 8, 4)
    output_stride: Literal[8, 16, 32] = 32


def channels_shuffled(features: Tensor, *, groups: int) -> Tensor:
    """Give (n, c, h, w) with channels dealt out: the first of every group, then the second of every group, and so on.

    Source: Zhang et al. 2018, ShuffleNet, section 3.1.
    """
    return torch.unflatten(features, 1, (groups, -1)).transpose(1, 2).flatten(1, 2)


class ShuffleUnit(nn.Module):
    """One unit: half of the channels pass, the other half are convolved, and both are shuffled together.

    Where the number of channels or the size changes, both branches see all channels and each gives half of the output.
    Branches are named and ordered as in torchvision, so that its weights fit.
    """

    def __init__(self, in_channels: int, *, out_channels: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        if out_channels % 2:
            raise ValueError(f"a unit gives two halves: {out_channels} channels cannot be halved")
        half = out_channels // 2
        self.is_split = stride == 1 and in_channels == out_channels
        self.branch1 = nn.Sequential()
        if not self.is_split:
            self.branch1 = nn.Sequential(
                *depthwise(in_channels, stride=stride, dilation=dilation), *pointwise(in_channels, out_channels=half)
            )
        self.branch2 = nn.Sequential(
            *pointwise(half if self.is_split else in_channels, out_channels=half),
            *depthwise(half, stride=stride, dilation=dilation),
            *pointwise(half, out_channels=half),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Give (n, out_channels, h / stride, w / stride), rounded up."""
        passed, convolved = features.chunk(2, dim=1) if self.is_split else (features, features)
        return channels_shuffled(torch.cat((self.branch1(passed), self.branch2(convolved)), dim=1), groups=2)


def stage(in_channels: int, *, out_channels: int, units: int, stride: int, dilation: int) -> nn.Sequential:
    """Give the units of one stage; the first one changes channels and size.

    In a stage that dilates instead of halving, the first unit dilates as the stage before: the halving comes after it.
    """
    first = ShuffleUnit(in_channels, out_channels=out_channels, stride=stride, dilation=max(1, dilation // 2))
    rest = (ShuffleUnit(out_channels, out_channels=out_channels, dilation=dilation) for _ in range(units - 1))
    return nn.Sequential(first, *rest)


class ShuffleNet(nn.Module):
    """A backbone that gives its features at every stride, without the classifier."""

    def __init__(self, dimensions: Dimensions, *, in_channels: int = 3) -> None:
        super().__init__()
        stem, *widths = dimensions.widths
        self.widths = dimensions.widths
        self.in_channels = in_channels
        self.conv1 = nn.Sequential(
            nn.Conv2d(in_channels, stem, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(stem),
            nn.ReLU(inplace=True),
        )
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        stages = []
        for before, width, units, stride in zip(
            (stem, *widths), widths, dimensions.units, STRIDE_OF_STAGE, strict=False
        ):
            dilation = max(1, stride // dimensions.output_stride)
            halving = 1 if dilation > 1 else 2
            stages.append(stage(before, out_channels=width, units=units, stride=halving, dilation=dilation))
        self.stage2, self.stage3, self.stage4 = stages
        initialise(self)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Give the features of the stem (stride 2), its pool (4), and stages 2, 3 and 4 (8, 16, 32, or less)."""
        stem = self.conv1(image)
        pooled = self.maxpool(stem)
        second = self.stage2(pooled)
        third = self.stage3(second)
        return stem, pooled, second, third, self.stage4(third)
