"""MODNet: an alpha without a trimap, from a semantic branch at low resolution, a detail branch, and their fusion.

Source: Ke et al. 2022, MODNet: Real-Time Trimap-Free Portrait Matting via Objective Decomposition, section 3 and
figure 2. Normalisation is batch norm alone, which folds into the convolutions where the network is exported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import segmentation_models_pytorch as smp  # type: ignore[import-untyped]
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from models.losses.alphas import AlphaParts
from models.networks.alpha.alpha_network import AlphaNetwork, refuse_classes
from models.networks.layers import initialise, upsampled
from models.networks.padding import padded
from models.networks.published_weights import weights_file
from models.networks.smp_networks import published_encoder

ENCODER: Final = "mobilenet_v2"
STRIDE: Final = 32
CHANNELS: Final = 32
"""Of the detail and the fusion branch, as in the source."""
MIDDLE: Final = 96
"""Of the semantic branch at stride 16: those of the encoder there."""
REDUCTION: Final = 4
LOSSES: Final[Mapping[str, float]] = {
    "alpha": 1.0,
    "composition": 1.0,
    "laplacian": 0.0,
    "semantic": 1.0,
    "detail": 10.0,
}
"""Source: section 3.5; lambda of the semantic and of the alpha loss 1, of the detail loss 10."""


def convolved(in_channels: int, *, out_channels: int, side: int = 3, stride: int = 1) -> nn.Sequential:
    """Return a convolution, its batch norm and a ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, side, stride=stride, padding=side // 2, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


class ChannelAttention(nn.Module):
    """Channels weighted by what the whole image shows. Source: Hu et al. 2018, Squeeze-and-Excitation Networks."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weigh = nn.Sequential(
            nn.Conv2d(channels, channels // REDUCTION, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels // REDUCTION, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same shape."""
        weighed: Tensor = features * self.weigh(features.mean(dim=(2, 3), keepdim=True))
        return weighed


class SemanticBranch(nn.Module):
    """Where the person is: from the deepest features to a thumbnail of the alpha, and the features behind it."""

    def __init__(self, deepest: int) -> None:
        super().__init__()
        self.attention = ChannelAttention(deepest)
        self.at_16 = convolved(deepest, out_channels=MIDDLE, side=5)
        self.at_8 = convolved(MIDDLE, out_channels=CHANNELS, side=5)
        self.head = nn.Conv2d(CHANNELS, 1, 3, stride=2, padding=1)

    def forward(self, deepest: Tensor, *, at_16: Tensor, at_8: Tensor) -> tuple[Tensor, Tensor]:
        """Return features at stride 8, and the thumbnail at stride 16."""
        features = self.at_16(upsampled(self.attention(deepest), like=at_16))
        features = self.at_8(upsampled(features, like=at_8))
        return features, torch.sigmoid(self.head(features))


class DetailBranch(nn.Module):
    """How the outline runs: from the image and shallow features, with what the semantic branch knows."""

    def __init__(self, at_2: int, *, at_4: int) -> None:
        super().__init__()
        self.project_2 = convolved(at_2, out_channels=CHANNELS, side=1)
        self.project_4 = convolved(at_4, out_channels=CHANNELS, side=1)
        self.shrink = convolved(CHANNELS + 3, out_channels=CHANNELS, stride=2)
        self.merge = convolved(2 * CHANNELS, out_channels=2 * CHANNELS)
        self.deep = nn.Sequential(
            convolved(3 * CHANNELS + 3, out_channels=2 * CHANNELS),
            convolved(2 * CHANNELS, out_channels=2 * CHANNELS),
            convolved(2 * CHANNELS, out_channels=CHANNELS),
        )
        self.shallow = nn.Sequential(
            convolved(2 * CHANNELS, out_channels=2 * CHANNELS),
            convolved(2 * CHANNELS, out_channels=CHANNELS),
            convolved(CHANNELS, out_channels=CHANNELS),
        )
        self.head = nn.Sequential(convolved(CHANNELS + 3, out_channels=CHANNELS), nn.Conv2d(CHANNELS, 1, 3, padding=1))

    def forward(self, image: Tensor, *, at_2: Tensor, at_4: Tensor, semantic: Tensor) -> tuple[Tensor, Tensor]:
        """Return features at stride 2, and an alpha at the size of the image."""
        half, quarter = upsampled(image, like=at_2), upsampled(image, like=at_4)
        near = self.project_2(at_2)
        features = self.shrink(torch.cat((half, near), dim=1))
        features = self.merge(torch.cat((features, self.project_4(at_4)), dim=1))
        features = self.deep(torch.cat((features, upsampled(semantic, like=at_4), quarter), dim=1))
        features = self.shallow(torch.cat((upsampled(features, like=at_2), near), dim=1))
        whole = torch.cat((upsampled(features, like=image), image), dim=1)
        return features, torch.sigmoid(self.head(whole))


class FusionBranch(nn.Module):
    """The alpha, from what both branches know."""

    def __init__(self) -> None:
        super().__init__()
        self.at_4 = convolved(CHANNELS, out_channels=CHANNELS, side=5)
        self.at_2 = convolved(2 * CHANNELS, out_channels=CHANNELS)
        self.head = nn.Sequential(
            convolved(CHANNELS + 3, out_channels=CHANNELS // 2), nn.Conv2d(CHANNELS // 2, 1, 3, padding=1)
        )

    def forward(self, image: Tensor, *, semantic: Tensor, detail: Tensor, at_4: Tensor) -> Tensor:
        """Return (n, 1, h, w) in 0..1."""
        features = upsampled(self.at_4(upsampled(semantic, like=at_4)), like=detail)
        features = self.at_2(torch.cat((features, detail), dim=1))
        return torch.sigmoid(self.head(torch.cat((upsampled(features, like=image), image), dim=1)))


class ModNet(AlphaNetwork):
    """The network; its parts are `encoder`, `semantic`, `detail` and `fusion`."""

    losses = LOSSES

    def __init__(self) -> None:
        super().__init__()
        encoder = smp.encoders.get_encoder(ENCODER, weights=None)
        _, at_2, at_4, *_, deepest = encoder.out_channels
        self.semantic = SemanticBranch(deepest)
        self.detail = DetailBranch(at_2, at_4=at_4)
        self.fusion = FusionBranch()
        initialise(self)
        self.encoder = encoder  # it draws its own weights

    def parts(self, image: Tensor, trimap: Tensor | None = None, *, only_trimap: bool = False) -> AlphaParts:
        """Return alpha, detail, and the thumbnail, at whose lower and right end the image is continued."""
        height, width = image.shape[-2:]
        whole = padded(image, multiple=STRIDE)
        _, at_2, at_4, at_8, at_16, deepest = self.encoder(whole)
        features, thumbnail = self.semantic(deepest, at_16=at_16, at_8=at_8)
        details, detail = self.detail(whole, at_2=at_2, at_4=at_4, semantic=features)
        alpha = self.fusion(whole, semantic=features, detail=details, at_4=at_4)
        return AlphaParts(alpha=alpha[..., :height, :width], semantic=thumbnail, detail=detail[..., :height, :width])


def modnet(*, classes: int, with_imagenet: bool) -> nn.Module:
    """Return the network, random or with an encoder that was trained on ImageNet.

    Raises ConfigurationProblem for several classes, RemoteUnavailable where the weights cannot be fetched.
    """
    refuse_classes("modnet", classes=classes)
    network = ModNet()
    if with_imagenet:
        network.encoder.load_state_dict(load_file(weights_file(published_encoder(ENCODER))))
    return network
