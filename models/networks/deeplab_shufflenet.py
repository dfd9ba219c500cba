"""DeepLabV3+ on a ShuffleNet: pyramid pooling at stride 8, a simple decoder at stride 2.

Source: Chen et al. 2018, Encoder-Decoder with Atrous Separable Convolution (DeepLabV3+), sections 3.1 and 3.2, with the
backbone dilated to stride 8 and the low-level features taken at stride 2, for thin things such as hair and fingers.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.networks.imagenet import pretrain_shufflenet
from models.networks.layers import initialise, pointwise, separable, upsampled
from models.networks.shufflenet import Dimensions, ShuffleNet

CONTEXT_CHANNELS = 64
LOW_LEVEL_CHANNELS = 12
"""Few, so that the low-level features do not outweigh the context (DeepLabV3+, section 4.1)."""
DECODER_CHANNELS = 32
DILATIONS = (6, 12, 18)
"""At stride 8 and 224 pixels the map is 28 wide: the paper's doubled rates would see past its border only."""


class PyramidPooling(nn.Module):
    """The same features seen at several distances, and on average over the image, then put together."""

    def __init__(self, in_channels: int, *, out_channels: int) -> None:
        super().__init__()
        self.near = pointwise(in_channels, out_channels=out_channels)
        self.far = nn.ModuleList(
            separable(in_channels, out_channels=out_channels, dilation=dilation) for dilation in DILATIONS
        )
        # Without a batch norm: one pixel of one image has no variance.
        self.whole = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(in_channels, out_channels, 1), nn.ReLU())
        self.joined = pointwise((2 + len(DILATIONS)) * out_channels, out_channels=out_channels)

    def forward(self, features: Tensor) -> Tensor:
        """Return (n, out_channels, h, w) float at the size of the features (n, in_channels, h, w)."""
        near = self.near(features)
        whole = self.whole(features).expand_as(near)
        return self.joined(torch.cat((near, *(branch(features) for branch in self.far), whole), dim=1))  # type: ignore[no-any-return]


class DeepLabShuffleNet(nn.Module):
    """The network; its contract is in `catalogue.build_network`."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.encoder = ShuffleNet(Dimensions(output_stride=8))
        self.context = PyramidPooling(self.encoder.widths[-1], out_channels=CONTEXT_CHANNELS)
        self.low_level = pointwise(self.encoder.widths[0], out_channels=LOW_LEVEL_CHANNELS)
        self.decoder = separable(CONTEXT_CHANNELS + LOW_LEVEL_CHANNELS, out_channels=DECODER_CHANNELS)
        self.head = nn.Conv2d(DECODER_CHANNELS, classes, 1)
        initialise(self)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (n, classes, h, w) at the size of the image."""
        stem, *_, deep = self.encoder(image)
        context = upsampled(self.context(deep), like=stem)
        return upsampled(self.head(self.decoder(torch.cat((context, self.low_level(stem)), dim=1))), like=image)


def deeplab_shufflenet(*, classes: int, with_imagenet: bool) -> nn.Module:
    """Return the network, random or with torchvision's ShuffleNet V2 1.0x as its backbone."""
    network = DeepLabShuffleNet(classes)
    if with_imagenet:
        pretrain_shufflenet(network.encoder)
    return network
