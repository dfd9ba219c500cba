"""BiSeNet: a shallow spatial path for detail, a deep context path for meaning, and a module that fuses the two.

Source: Yu et al. 2018, BiSeNet: Bilateral Segmentation Network for Real-time Semantic Segmentation, section 3 and
figure 2, with a ResNet-101 as the context path. Here the weights of attention come without a batch norm: they are
drawn from one pixel of an image, which in a batch of one has no variance.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torchvision.models import ResNet, ResNet101_Weights, resnet101  # type: ignore[import-untyped]

from models.networks.imagenet import published_state
from models.networks.layers import initialise, pointwise, upsampled

SPATIAL_CHANNELS: Final = (64, 64, 128)
CONTEXT_CHANNELS: Final = 128
BACKBONE_CHANNELS: Final = (1024, 2048)
"""Of ResNet-101 at strides 16 and 32."""
FUSED_CHANNELS: Final = 256
HEAD_CHANNELS: Final = 64


def convolution(in_channels: int, *, out_channels: int, stride: int = 1) -> nn.Sequential:
    """Return a 3 x 3 convolution, its batch norm and a ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


class Backbone(nn.Module):
    """The layers of a ResNet, with its features at strides 16 and 32."""

    def __init__(self, network: ResNet) -> None:
        super().__init__()
        stem = (network.conv1, network.bn1, network.relu, network.maxpool)
        self.shallow = nn.Sequential(*stem, network.layer1, network.layer2)
        self.layer3 = network.layer3
        self.layer4 = network.layer4

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (n, 1024, h / 16, w / 16) and (n, 2048, h / 32, w / 32), float, of images (n, 3, h, w)."""
        middle: Tensor = self.layer3(self.shallow(image))
        return middle, self.layer4(middle)


class AttentionRefinement(nn.Module):
    """Features whose channels are weighed by what the whole image shows; figure 2 (b)."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.convolved = convolution(in_channels, out_channels=CONTEXT_CHANNELS)
        self.weights = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(CONTEXT_CHANNELS, CONTEXT_CHANNELS, 1), nn.Sigmoid()
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return (n, CONTEXT_CHANNELS, h, w) float of features (n, in_channels, h, w)."""
        convolved: Tensor = self.convolved(features)
        weights: Tensor = self.weights(convolved)
        return convolved * weights


class FeatureFusion(nn.Module):
    """Both paths put together, and their channels weighed; figure 2 (c)."""

    def __init__(self) -> None:
        super().__init__()
        self.joined = pointwise(SPATIAL_CHANNELS[-1] + CONTEXT_CHANNELS, out_channels=FUSED_CHANNELS)
        self.weights = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(FUSED_CHANNELS, FUSED_CHANNELS, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(FUSED_CHANNELS, FUSED_CHANNELS, 1),
            nn.Sigmoid(),
        )

    def forward(self, spatial: Tensor, *, context: Tensor) -> Tensor:
        """Return (n, FUSED_CHANNELS, h, w) float of the paths, both (n, 128, h, w)."""
        joined: Tensor = self.joined(torch.cat((spatial, context), dim=1))
        weights: Tensor = self.weights(joined)
        return joined + joined * weights


class BiSeNet(nn.Module):
    """The network; its contract is in `catalogue.build_network`."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        first, second, third = SPATIAL_CHANNELS
        self.spatial = nn.Sequential(
            convolution(3, out_channels=first, stride=2),
            convolution(first, out_channels=second, stride=2),
            convolution(second, out_channels=third, stride=2),
        )
        self.whole = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(BACKBONE_CHANNELS[1], CONTEXT_CHANNELS, 1), nn.ReLU(inplace=True)
        )
        self.refinements = nn.ModuleList(AttentionRefinement(channels) for channels in BACKBONE_CHANNELS)
        self.smoothed = nn.ModuleList(convolution(CONTEXT_CHANNELS, out_channels=CONTEXT_CHANNELS) for _ in range(2))
        self.fusion = FeatureFusion()
        self.head = head(FUSED_CHANNELS, classes=classes)
        self.auxiliary_heads = nn.ModuleList(head(CONTEXT_CHANNELS, classes=classes) for _ in range(2))
        initialise(self)
        self.encoder = Backbone(resnet101(weights=None))

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (n, classes, h, w) at the size of the image."""
        return self.decoded(image)[0]

    def forward_with_auxiliary(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits (n, classes, h, w): the network's, then those of its context features at strides 16 and 32."""
        logits, *context = self.decoded(image)
        finer, coarser = (
            upsampled(reads(features), like=image)
            for reads, features in zip(self.auxiliary_heads, context, strict=True)
        )
        return logits, finer, coarser

    def decoded(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits (n, classes, h, w), and context features (n, CONTEXT_CHANNELS, ...) of strides 16 and 32."""
        spatial = self.spatial(image)
        middle, deep = self.encoder(image)
        coarse = self.refinements[1](deep) + self.whole(deep)
        coarse = self.smoothed[1](upsampled(coarse, like=middle))
        fine = self.smoothed[0](upsampled(self.refinements[0](middle) + coarse, like=spatial))
        return upsampled(self.head(self.fusion(spatial, context=fine)), like=image), fine, coarse


def head(in_channels: int, *, classes: int) -> nn.Sequential:
    """Return the layers that read classes out of features."""
    return nn.Sequential(convolution(in_channels, out_channels=HEAD_CHANNELS), nn.Conv2d(HEAD_CHANNELS, classes, 1))


def bisenet(*, classes: int, with_imagenet: bool) -> nn.Module:
    """Return the network, random or with torchvision's ResNet-101 as its context path."""
    network = BiSeNet(classes)
    if with_imagenet:
        pretrained = resnet101(weights=None)
        # The first version, on which torchvision builds its own segmentation networks.
        pretrained.load_state_dict(published_state(ResNet101_Weights.IMAGENET1K_V1.url))
        network.encoder = Backbone(pretrained)
    return network
