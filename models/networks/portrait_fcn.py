"""PortraitFCN+: an FCN with further inputs: the place of a pixel in the frame, and where persons usually are.

Source: Shen et al. 2016, Automatic Portrait Segmentation for Image Stylization, section 4.2. Two things differ. There,
coordinates and mean mask are warped to the face that a detector found with its landmarks; here they are laid over
the frame: no face detector is needed and an image without a face is no special case, but the prior tells less where
persons are not framed alike. And the network is FCN-8s on a ShuffleNet (`fcn`), not on VGG-16.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812  (the name by which everyone knows it)
from torch import Tensor, nn

from models.networks.fcn import Fcn
from models.networks.imagenet import pretrain_shufflenet
from models.networks.layers import upsampled

PRIOR_SIZE = 128
"""Pixels a side: a mean of many masks holds nothing finer."""


class PortraitFcn(nn.Module):
    """FCN-8s over six channels: red, green, blue, x and y of the frame, and the mean mask of persons."""

    frame: Tensor
    prior: Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.fcn = Fcn(classes, in_channels=6)
        corners = torch.tensor([[-1.0, 1.0], [-1.0, 1.0]])
        self.register_buffer("frame", torch.stack((corners, corners.T))[None], persistent=False)
        self.register_buffer("prior", torch.full((1, 1, PRIOR_SIZE, PRIOR_SIZE), 0.5))

    def set_prior(self, mean_mask: Tensor) -> None:
        """Tell where persons are: the mean of the training masks, (h, w) in 0..1. It is saved with the weights.

        Until then every place is as likely as any other. Raises ValueError when it is not (h, w) in 0..1.
        """
        if mean_mask.ndim != 2 or not bool(((mean_mask >= 0) & (mean_mask <= 1)).all()):
            raise ValueError(f"the mean mask has to be (h, w) in 0..1, got {tuple(mean_mask.shape)}")
        wanted = mean_mask[None, None].to(self.prior)
        self.prior.copy_(F.interpolate(wanted, size=self.prior.shape[-2:], mode="bilinear", antialias=True))

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (n, classes, h, w) at the size of the image."""
        return self.fcn(self.with_place(image))  # type: ignore[no-any-return]

    def deepest_features(self, image: Tensor) -> Tensor:
        """Return the deepest features (n, c, h / 32, w / 32) float of images."""
        features: Tensor = self.fcn.encoder(self.with_place(image))[-1]
        return features

    def with_place(self, image: Tensor) -> Tensor:
        """Return images with x, y and the prior of each pixel behind their colours, (n, 6, h, w) float."""
        # Between its corners the frame is linear, so that enlarging four corners gives x and y of every pixel.
        frame = F.interpolate(self.frame, size=image.shape[-2:], mode="bilinear", align_corners=True)
        # As the pixels, which are normalised, the prior is centred on zero.
        prior = 2 * upsampled(self.prior, like=image) - 1
        place = torch.cat((frame, prior), dim=1).expand(image.shape[0], -1, -1, -1)
        return torch.cat((image, place), dim=1)


def portrait_fcn(*, classes: int, with_imagenet: bool) -> nn.Module:
    """Return the network, random or with torchvision's ShuffleNet V2 1.0x as its backbone."""
    network = PortraitFcn(classes)
    if with_imagenet:
        pretrain_shufflenet(network.fcn.encoder)
    return network
