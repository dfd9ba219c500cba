"""Fully convolutional networks on a ShuffleNet: with skips down to stride 8, or dilated to stride 8.

Source: Long et al. 2015, Fully Convolutional Networks for Semantic Segmentation, section 4.2 (FCN-8s), and Yu and
Koltun 2016, Multi-Scale Context Aggregation by Dilated Convolutions. The backbone is ShuffleNet V2 1.0x, not VGG-16;
scores are enlarged bilinearly, which is how the deconvolutions of FCN begin.
"""

from __future__ import annotations

from torch import Tensor, nn

from models.networks.imagenet import pretrain_shufflenet
from models.networks.layers import depthwise, initialise, pointwise, upsampled
from models.networks.shufflenet import Dimensions, ShuffleNet

FEATURES = 256
"""Between the backbone and the scores: the paper's two layers of 4,096 would be 30 times the backbone."""
DROPOUT = 0.1


class Fcn(nn.Module):
    """FCN-8s: scores at strides 32, 16 and 8, each enlarged and added to the next."""

    def __init__(self, classes: int, *, in_channels: int = 3) -> None:
        super().__init__()
        self.encoder = ShuffleNet(Dimensions(), in_channels=in_channels)
        _, second, third, fourth = self.encoder.widths
        self.features = nn.Sequential(
            *pointwise(fourth, out_channels=FEATURES),
            *depthwise(FEATURES),
            nn.ReLU(inplace=True),
            nn.Dropout2d(DROPOUT),
        )
        self.score_32 = nn.Conv2d(FEATURES, classes, 1)
        self.score_16 = nn.Conv2d(third, classes, 1)
        self.score_8 = nn.Conv2d(second, classes, 1)
        initialise(self)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (n, classes, h, w) at the size of the image."""
        _, _, second, third, fourth = self.encoder(image)
        at_16 = self.score_16(third)
        at_8 = self.score_8(second)
        coarse = upsampled(self.score_32(self.features(fourth)), like=at_16) + at_16
        return upsampled(upsampled(coarse, like=at_8) + at_8, like=image)


class FcnDilated(nn.Module):
    """A backbone that stays at stride 8, dilated instead of halved, and scores from its last features alone."""

    def __init__(self, classes: int, *, is_hybrid: bool = False) -> None:
        super().__init__()
        self.encoder = ShuffleNet(Dimensions(output_stride=8, is_hybrid=is_hybrid))
        self.features = nn.Sequential(
            *pointwise(self.encoder.widths[-1], out_channels=FEATURES),
            *depthwise(FEATURES, dilation=2),
            nn.ReLU(inplace=True),
            nn.Dropout2d(DROPOUT),
        )
        self.score = nn.Conv2d(FEATURES, classes, 1)
        initialise(self)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (n, classes, h, w) at the size of the image."""
        return upsampled(self.score(self.features(self.encoder(image)[-1])), like=image)


def fcn(*, classes: int, with_imagenet: bool) -> nn.Module:
    """Return FCN-8s, random or with torchvision's ShuffleNet V2 1.0x as its backbone."""
    network = Fcn(classes)
    if with_imagenet:
        pretrain_shufflenet(network.encoder)
    return network


def fcn_dilated(*, classes: int, with_imagenet: bool, dilation: str = "constant") -> nn.Module:
    """Return the dilated network, random or with torchvision's ShuffleNet V2 1.0x as its backbone.

    Its rates are `constant` in a stage, or `hybrid`, see `shufflenet.dilations`.
    """
    network = FcnDilated(classes, is_hybrid=dilation == "hybrid")
    if with_imagenet:
        pretrain_shufflenet(network.encoder)
    return network
