"""A real-time U-Net: a narrow ShuffleNet encoder, and a decoder with very few filters that stops at stride 4.

Source: Ronneberger et al. 2015, U-Net, for the shape; Ma et al. 2018, ShuffleNet V2, for the units. Its size is that of
the real-time portrait network that practitioners report: 79.54 K parameters, 24.44 M multiply-adds at 224 x 224.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.networks.imagenet import refuse_imagenet
from models.networks.layers import initialise, pointwise, separable, upsampled
from models.networks.shufflenet import Dimensions, ShuffleNet

ENCODER = Dimensions(widths=(12, 48, 80, 120), units=(4, 6, 3))
SKIP_CHANNELS = (8, 16, 24)
"""Of the skips at strides 4, 8 and 16."""
DECODER_CHANNELS = (16, 24, 40)
"""Of what is decoded at strides 4, 8 and 16."""


class Merge(nn.Module):
    """Deep features, brought to the size of a skip and put together with a thin projection of it."""

    def __init__(self, deep_channels: int, *, skip_channels: int, projected: int, out_channels: int) -> None:
        super().__init__()
        self.project = pointwise(skip_channels, out_channels=projected)
        self.fuse = separable(deep_channels + projected, out_channels=out_channels)

    def forward(self, deep: Tensor, *, skip: Tensor) -> Tensor:
        """Return (n, out_channels, h, w) float at the size of the skip."""
        return self.fuse(torch.cat((upsampled(deep, like=skip), self.project(skip)), dim=1))  # type: ignore[no-any-return]


class UnetShuffleNet(nn.Module):
    """The network; its contract is in `catalogue.build_network`."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.encoder = ShuffleNet(ENCODER)
        widths = (ENCODER.widths[0], *ENCODER.widths[1:3])
        deep = DECODER_CHANNELS[-1]
        self.bottleneck = pointwise(ENCODER.widths[-1], out_channels=deep)
        merges = []
        for skip, projected, out in zip(reversed(widths), reversed(SKIP_CHANNELS), reversed(DECODER_CHANNELS)):
            merges.append(Merge(deep, skip_channels=skip, projected=projected, out_channels=out))
            deep = out
        self.decoder = nn.ModuleList(merges)
        self.head = nn.Conv2d(deep, classes, 1)
        initialise(self)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (n, classes, h, w) at the size of the image."""
        _, *skips, deepest = self.encoder(image)
        features = self.bottleneck(deepest)
        for merge, skip in zip(self.decoder, reversed(skips)):
            features = merge(features, skip=skip)
        return upsampled(self.head(features), like=image)


def unet_shufflenet(*, classes: int, with_imagenet: bool) -> nn.Module:
    """Return the network with random weights; raises ConfigurationProblem with ImageNet: there are none of its
    width.
    """
    if with_imagenet:
        refuse_imagenet("unet_shufflenet")
    return UnetShuffleNet(classes)
