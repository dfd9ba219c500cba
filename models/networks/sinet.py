"""SINet: spatial squeeze modules see wide at little cost, and the decoder lets fine features in where it is unsure.

Source: Park et al. 2020, SINet: Extreme Lightweight Portrait Segmentation Networks Using Spatial Squeeze Modules and
Information Blocking Decoder, section 3. What the paper leaves open (the epsilon of the batch norms, PReLU for the
weights of channels, resizing by corners) is as in the weights that are published, so that they fit.
"""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812  (the name by which everyone knows it)
from torch import Tensor, nn

from models.networks.imagenet import refuse_imagenet
from models.networks.layers import initialise
from models.networks.padding import padded
from models.networks.shufflenet import channels_shuffled

Squeeze = tuple[int, int]
"""Of one branch: the size of its depthwise kernel, and by how much it pools before."""
SHALLOW_UNITS: Final[tuple[tuple[Squeeze, Squeeze], ...]] = (((3, 1), (5, 1)), ((3, 1), (3, 1)))
DEEP_UNITS: Final[tuple[tuple[Squeeze, Squeeze], ...]] = (
    ((3, 1), (5, 1)),
    ((3, 1), (3, 1)),
    ((5, 1), (3, 2)),
    ((5, 2), (3, 4)),
    ((3, 1), (3, 1)),
    ((5, 1), (5, 1)),
    ((3, 2), (3, 4)),
    ((3, 1), (5, 2)),
)
STEM_CHANNELS: Final = 12
SHALLOW_CHANNELS: Final = (16, 48)
"""At stride 4: after halving the size, and after the units."""
DEEP_CHANNELS: Final = (48, 96)
"""At stride 8: after halving the size, and after the units."""
EPSILON: Final = 1e-3
MULTIPLE: Final = 32
"""Stride 8 before a branch that pools by 4."""


class NormAndActivation(nn.Sequential):
    """A batch norm, and a PReLU with a slope of its own for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__(nn.BatchNorm2d(channels, eps=EPSILON), nn.PReLU(channels))


class SqueezeBranch(nn.Module):
    """A separable convolution over features that are pooled before and brought back to their size afterwards."""

    def __init__(self, channels: int, *, squeeze: Squeeze) -> None:
        super().__init__()
        kernel, self.pool = squeeze
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False),
            NormAndActivation(channels),
            nn.Conv2d(channels, channels, 1, bias=False),
        )
        self.norm = nn.BatchNorm2d(channels, eps=EPSILON)

    def forward(self, features: Tensor) -> Tensor:
        """Return (n, channels, h, w) float at the size of the features."""
        if self.pool == 1:
            return self.norm(self.layers(features))  # type: ignore[no-any-return]
        seen = self.layers(F.avg_pool2d(features, self.pool))
        return self.norm(by_corners(seen, size=features.shape[-2:]))  # type: ignore[no-any-return]


class SqueezeUnit(nn.Module):
    """A spatial squeeze module: channels are halved and shuffled, seen by two branches, and joined."""

    def __init__(self, in_channels: int, *, out_channels: int, squeezes: tuple[Squeeze, Squeeze]) -> None:
        super().__init__()
        half = out_channels // 2
        self.is_residual = in_channels == out_channels
        self.halved = nn.Conv2d(in_channels, half, 1, groups=2, bias=False)
        self.branches = nn.ModuleList(SqueezeBranch(half, squeeze=squeeze) for squeeze in squeezes)
        self.activated = NormAndActivation(out_channels)

    def forward(self, features: Tensor) -> Tensor:
        """Return (n, out_channels, h, w) float at the size of the features (n, in_channels, h, w)."""
        halved = channels_shuffled(self.halved(features), groups=2)
        joined = torch.cat([branch(halved) for branch in self.branches], dim=1)
        return self.activated(features + joined if self.is_residual else joined)  # type: ignore[no-any-return]


class Halving(nn.Module):
    """A separable convolution that halves the size, its channels weighed in between by what the whole image shows.

    `weights` are the layers that make these weights out of the mean of every channel.
    """

    def __init__(self, in_channels: int, *, out_channels: int, weights: nn.Sequential) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(in_channels, in_channels, 3, stride=2, padding=1, groups=in_channels, bias=False)
        self.weights = weights
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.activated = NormAndActivation(out_channels)

    def forward(self, features: Tensor) -> Tensor:
        """Return (n, out_channels, h / 2, w / 2) float, rounded up, of features (n, in_channels, h, w)."""
        halved = self.depthwise(features)
        weights = self.weights(halved.mean(dim=(2, 3)))[:, :, None, None]
        return self.activated(self.pointwise(weights * halved))  # type: ignore[no-any-return]


class Stage(nn.Module):
    """Units one after the other, their features together with those that they began with."""

    def __init__(self, in_channels: int, *, out_channels: int, units: tuple[tuple[Squeeze, Squeeze], ...]) -> None:
        super().__init__()
        widths = (in_channels, *(out_channels for _ in units[1:]))
        self.units = nn.Sequential(
            *(SqueezeUnit(width, out_channels=out_channels, squeezes=unit) for width, unit in zip(widths, units))
        )
        self.activated = NormAndActivation(in_channels + out_channels)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features of the last unit (n, out_channels, h, w) float, and these with the ones it began with."""
        seen = self.units(features)
        return seen, self.activated(torch.cat((features, seen), dim=1))


class Encoder(nn.Module):
    """The layers that give features: a stem, and two stages at strides 4 and 8."""

    def __init__(self) -> None:
        super().__init__()
        stem, (begun, shallow), (entered, deep) = STEM_CHANNELS, SHALLOW_CHANNELS, DEEP_CHANNELS
        self.stem = nn.Sequential(nn.Conv2d(3, stem, 3, stride=2, padding=1, bias=False), NormAndActivation(stem))
        few = nn.Sequential(nn.Linear(stem, stem), nn.PReLU(stem))
        self.to_shallow = Halving(stem, out_channels=begun, weights=few)
        self.shallow = Stage(begun, out_channels=shallow, units=SHALLOW_UNITS)
        many = begun + shallow
        squeezed = nn.Sequential(
            nn.Linear(many, many // 2), nn.PReLU(many // 2), nn.Linear(many // 2, many), nn.PReLU(many)
        )
        self.to_deep = Halving(many, out_channels=entered, weights=squeezed)
        self.deep = Stage(entered, out_channels=deep, units=DEEP_UNITS)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return features of images (n, 3, h, w) float: (n, 48, h / 4, w / 4), and (n, 144, h / 8, w / 8)."""
        shallow, joined = self.shallow(self.to_shallow(self.stem(image)))
        _, deep = self.deep(self.to_deep(joined))
        return shallow, deep


class SINet(nn.Module):
    """The network; its contract is in `catalogue.build_network`."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.is_binary = classes == 1
        self.encoder = Encoder()
        self.coarse = nn.Conv2d(sum(DEEP_CHANNELS), classes, 1, bias=False)
        self.coarse_norm = nn.BatchNorm2d(classes, eps=EPSILON)
        self.fine = nn.Sequential(nn.Conv2d(SHALLOW_CHANNELS[1], classes, 1, bias=False), NormAndActivation(classes))
        self.joined_norm = nn.BatchNorm2d(classes, eps=EPSILON)
        self.head = nn.Conv2d(classes, classes, 3, padding=1, bias=False)
        initialise(self)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (n, classes, h, w) at the size of the image."""
        height, width = image.shape[-2:]
        framed = padded(image, multiple=MULTIPLE)
        shallow, deep = self.encoder(framed)
        coarse = self.coarse_norm(by_corners(self.coarse(deep), size=shallow.shape[-2:]))
        joined = coarse + uncertainty(coarse, is_binary=self.is_binary) * self.fine(shallow)
        half = self.joined_norm(by_corners(joined, size=(framed.shape[-2] // 2, framed.shape[-1] // 2)))
        logits: Tensor = self.head(by_corners(half, size=framed.shape[-2:]))
        return logits[..., :height, :width]


def uncertainty(logits: Tensor, *, is_binary: bool) -> Tensor:
    """Return one less the probability of the likeliest class: (n, 1, h, w), 0 where nothing is left to decide.

    Where `is_binary`, the one logit is that of person, and the other class is background.
    """
    if is_binary:
        person = logits.sigmoid()
        return torch.minimum(person, 1 - person)
    return 1 - logits.softmax(dim=1).amax(dim=1, keepdim=True)


def by_corners(features: Tensor, *, size: tuple[int, ...]) -> Tensor:
    """Return features (n, c, h, w) float at another size, bilinear, the centres of corner pixels staying in place."""
    return F.interpolate(features, size=size, mode="bilinear", align_corners=True)


def sinet(*, classes: int, with_imagenet: bool) -> nn.Module:
    """Return the network with random weights. Raises ConfigurationProblem for ImageNet's: none are published."""
    if with_imagenet:
        refuse_imagenet("sinet")
    return SINet(classes)
