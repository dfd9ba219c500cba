"""ShuffleNet V2: the units and the backbone of every ShuffleNet network here.

Source: Ma et al. 2018, ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design, figure 3 and table 5.
"""

from __future__ import annotations

from collections.abc import Sequence
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

    From `output_stride` on, a stage dilates instead of halving its size, so that weights fit at any output stride;
    where it `is_hybrid`, by rates that differ from unit to unit.
    """

    widths: tuple[int, int, int, int] = (24, 116, 232, 464)
    units: tuple[int, int, int] = (4, 8, 4)
    output_stride: Literal[8, 16, 32] = 32
    is_hybrid: bool = False


def channels_shuffled(features: Tensor, *, groups: int) -> Tensor:
    """Return (n, c, h, w) with channels dealt out: the first of every group, then the second of every group, and so on.

    The values, float, do not change. Source: Zhang et al. 2018, ShuffleNet, section 3.1.
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
        """Return (n, out_channels, h / stride, w / stride) float, rounded up."""
        passed, convolved = features.chunk(2, dim=1) if self.is_split else (features, features)
        return channels_shuffled(torch.cat((self.branch1(passed), self.branch2(convolved)), dim=1), groups=2)


def stage(in_channels: int, *, out_channels: int, stride: int, rates: Sequence[int]) -> nn.Sequential:
    """Return the units of one stage, dilated by `rates`; the first one changes channels and size."""
    first = ShuffleUnit(in_channels, out_channels=out_channels, stride=stride, dilation=rates[0])
    return nn.Sequential(
        first, *(ShuffleUnit(out_channels, out_channels=out_channels, dilation=rate) for rate in rates[1:])
    )


def dilations(rate: int, *, units: int, is_hybrid: bool) -> tuple[int, ...]:
    """Return by how much each unit of a stage dilates that stands for halvings down to 1 / `rate`.

    Constant, the first unit dilates as the stage before: the halving comes after it. Hybrid, three units after each
    other have the rates r - 1, r and r + 1, so that together they see every pixel and not a grid of them; those that
    are left over have r.
    Source: Wang et al. 2018, Understanding Convolution for Semantic Segmentation, section 3.2, and section 4.1 for the
    rates of whole stages.

    >>> dilations(2, units=8, is_hybrid=True), dilations(4, units=4, is_hybrid=False)
    ((1, 2, 3, 1, 2, 3, 2, 2), (2, 4, 4, 4))
    """
    if rate == 1 or not is_hybrid:
        return (max(1, rate // 2), *([rate] * (units - 1)))
    groups, left = divmod(units, 3)
    return (*((rate - 1, rate, rate + 1) * groups), *([rate] * left))


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
            rates = dilations(dilation, units=units, is_hybrid=dimensions.is_hybrid)
            stages.append(stage(before, out_channels=width, stride=halving, rates=rates))
        self.stage2, self.stage3, self.stage4 = stages
        initialise(self)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return features (n, c, h / s, w / s) float of the stem (s 2), its pool (4) and stages 2 to 4 (8 to 32)."""
        stem = self.conv1(image)
        pooled = self.maxpool(stem)
        second = self.stage2(pooled)
        third = self.stage3(second)
        return stem, pooled, second, third, self.stage4(third)
