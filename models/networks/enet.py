"""ENet: an early, small and much compared real-time network.

Source: Paszke et al. 2016, ENet: A Deep Neural Network Architecture for Real-Time Semantic Segmentation, table 1 and
figure 2.
"""

from __future__ import annotations

from typing import Final, Literal

import torch
import torch.nn.functional as F  # noqa: N812  (the name by which everyone knows it)
from torch import Tensor, nn

from models.networks.imagenet import refuse_imagenet
from models.networks.layers import initialise

REDUCTION = 4
"""A bottleneck works on a quarter of the channels that it gives."""
EARLY_DROPOUT = 0.01
DROPOUT = 0.1

Kind = tuple[Literal["regular", "dilated", "asymmetric"], int]
CONTEXT: Final[tuple[Kind, ...]] = (
    ("regular", 1),
    ("dilated", 2),
    ("asymmetric", 5),
    ("dilated", 4),
    ("regular", 1),
    ("dilated", 8),
    ("asymmetric", 5),
    ("dilated", 16),
)
"""The bottlenecks of section 2 after the first, and of section 3: dilated by, or as wide as, so many pixels."""


def normed(*convolutions: nn.Module, channels: int) -> nn.Sequential:
    """Return convolutions with a batch norm and a PReLU behind them."""
    return nn.Sequential(*convolutions, nn.BatchNorm2d(channels), nn.PReLU(channels))


def middle(kind: Kind, *, channels: int) -> nn.Sequential:
    """Return the convolution in the middle of a bottleneck; the size is kept."""
    name, extent = kind
    if name == "asymmetric":
        return normed(
            nn.Conv2d(channels, channels, (extent, 1), padding=(extent // 2, 0), bias=False),
            nn.Conv2d(channels, channels, (1, extent), padding=(0, extent // 2), bias=False),
            channels=channels,
        )
    return normed(
        nn.Conv2d(channels, channels, 3, padding=extent, dilation=extent, bias=False),
        channels=channels,
    )


def widened(inner: int, *, channels: int, dropout: float) -> nn.Sequential:
    """Return the end of a bottleneck: back to all channels, and some of them dropped."""
    return nn.Sequential(nn.Conv2d(inner, channels, 1, bias=False), nn.BatchNorm2d(channels), nn.Dropout2d(dropout))


def unpooled(pooled: Tensor, *, places: Tensor, like: Tensor) -> Tensor:
    """Return values back at the places where pooling found its maxima, zero elsewhere: (n, c, h, w), as `like`.

    `pooled` is (n, c, h / 2, w / 2) float; `places` are flat indices in (h, w), of the same shape.
    """
    empty = torch.zeros_like(like).flatten(2)
    return empty.scatter(2, places.flatten(2), pooled.flatten(2)).view_as(like)


class Initial(nn.Module):
    """13 channels of a strided convolution and 3 of the pooled image: (n, 16, h / 2, w / 2), rounded up."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 13, 3, stride=2, padding=1, bias=False)
        self.norm = normed(channels=16)

    def forward(self, image: Tensor) -> Tensor:
        """Return the first features, (n, 16, h / 2, w / 2) float, of images (n, 3, h, w)."""
        pooled = F.max_pool2d(image, 2, ceil_mode=True)
        return self.norm(torch.cat((self.convolution(image), pooled), dim=1))  # type: ignore[no-any-return]


class Bottleneck(nn.Module):
    """The features, plus what is made of them on a quarter of the channels."""

    def __init__(self, channels: int, *, kind: Kind = ("regular", 1), dropout: float = DROPOUT) -> None:
        super().__init__()
        inner = channels // REDUCTION
        self.branch = nn.Sequential(
            normed(nn.Conv2d(channels, inner, 1, bias=False), channels=inner),
            middle(kind, channels=inner),
            widened(inner, channels=channels, dropout=dropout),
        )
        self.activation = nn.PReLU(channels)

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same shape, (n, channels, h, w) float."""
        return self.activation(features + self.branch(features))  # type: ignore[no-any-return]


class Halving(nn.Module):
    """Features at half the size, rounded up, and the places where pooling found them."""

    def __init__(self, in_channels: int, *, out_channels: int, dropout: float) -> None:
        super().__init__()
        inner = out_channels // REDUCTION
        self.extra = out_channels - in_channels
        self.branch = nn.Sequential(
            # One pixel to the right and below, so that odd sizes are rounded up, as by the pooling beside it.
            nn.ZeroPad2d((0, 1, 0, 1)),
            normed(nn.Conv2d(in_channels, inner, 2, stride=2, bias=False), channels=inner),
            middle(("regular", 1), channels=inner),
            widened(inner, channels=out_channels, dropout=dropout),
        )
        self.activation = nn.PReLU(out_channels)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return (n, out_channels, h / 2, w / 2) float, and flat indices of maxima (n, in_channels, h / 2, w / 2)."""
        pooled, places = F.max_pool2d(features, 2, ceil_mode=True, return_indices=True)
        passed = F.pad(pooled, (0, 0, 0, 0, 0, self.extra))
        return self.activation(passed + self.branch(features)), places


class Doubling(nn.Module):
    """Features back at the size that they had before a halving."""

    def __init__(self, in_channels: int, *, out_channels: int) -> None:
        super().__init__()
        inner = out_channels // REDUCTION
        self.passing = nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels))
        self.branch = nn.Sequential(
            normed(nn.Conv2d(in_channels, inner, 1, bias=False), channels=inner),
            normed(
                nn.ConvTranspose2d(inner, inner, 3, stride=2, padding=1, output_padding=1, bias=False), channels=inner
            ),
            widened(inner, channels=out_channels, dropout=DROPOUT),
        )
        self.activation = nn.PReLU(out_channels)

    def forward(self, features: Tensor, *, places: Tensor, like: Tensor) -> Tensor:
        """Return (n, out_channels, h, w) float at the size of `like`, which was halved before."""
        passed = unpooled(self.passing(features), places=places, like=like)
        return self.activation(passed + cropped(self.branch(features), like=like))  # type: ignore[no-any-return]


def cropped(features: Tensor, *, like: Tensor) -> Tensor:
    """Return features (n, c, h, w) float without the last row or column that doubling an odd size adds."""
    return features[..., : like.shape[-2], : like.shape[-1]]


class Enet(nn.Module):
    """The network; its contract is in `catalogue.build_network`."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.initial = Initial()
        self.first = Halving(16, out_channels=64, dropout=EARLY_DROPOUT)
        self.early = nn.Sequential(*(Bottleneck(64, dropout=EARLY_DROPOUT) for _ in range(4)))
        self.second = Halving(64, out_channels=128, dropout=DROPOUT)
        self.context = nn.Sequential(*(Bottleneck(128, kind=kind) for _ in range(2) for kind in CONTEXT))
        self.third = Doubling(128, out_channels=64)
        self.late = nn.Sequential(Bottleneck(64), Bottleneck(64))
        self.fourth = Doubling(64, out_channels=16)
        self.last = Bottleneck(16)
        self.head = nn.ConvTranspose2d(16, classes, 3, stride=2, padding=1, output_padding=1)
        initialise(self)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (n, classes, h, w) at the size of the image."""
        deep, at_4, places_4, at_2, places_2 = self.encoded(image)
        decoded = self.late(self.third(deep, places=places_4, like=at_4))
        return cropped(self.head(self.last(self.fourth(decoded, places=places_2, like=at_2))), like=image)

    def deepest_features(self, image: Tensor) -> Tensor:
        """Return the features (n, 128, h / 8, w / 8) float of images, from which all that is decoded comes."""
        return self.encoded(image)[0]

    def encoded(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return the deepest features, those at stride 4 with the places of their maxima, and the same at stride 2."""
        at_2 = self.initial(image)
        at_4, places_2 = self.first(at_2)
        at_4 = self.early(at_4)
        at_8, places_4 = self.second(at_4)
        return self.context(at_8), at_4, places_4, at_2, places_2


def enet(*, classes: int, with_imagenet: bool) -> nn.Module:
    """Return the network with random weights; raises ConfigurationProblem with ImageNet: there are none."""
    if with_imagenet:
        refuse_imagenet("enet")
    return Enet(classes)
