"""PortraitFCN+: an FCN with further inputs: the place of a pixel, and where persons usually are.

Source: Shen et al. 2016, Automatic Portrait Segmentation for Image Stylization, section 4.2. There, coordinates and
mean mask are brought to the face that a detector found; so they are with the prior `face`. With the prior `frame` they
lie over the frame: no face detector is needed, but the prior tells less where persons are not framed alike. One thing
differs: the network is FCN-8s on a ShuffleNet (`fcn`), not on VGG-16.
"""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812  (the name by which everyone knows it)
from torch import Tensor, nn

from models.networks.fcn import Fcn
from models.networks.imagenet import pretrain_shufflenet
from models.networks.layers import upsampled

PRIOR_SIZE = 128
"""Pixels a side: a mean of many masks holds nothing finer."""


FURTHEST: Final = 2.0
"""Coordinates of the face end here, so far out that of a small face nothing is larger than what is learnt well."""


class PortraitFcn(nn.Module):
    """FCN-8s over six channels: red, green, blue, x and y, and the mean mask of persons.

    x and y are those of the frame, or, where it is `with_faces`, of a window around the face, in which the mask lies
    too. Where the face is says the place (n, 2, 3) of `forward`, see `models.faces.places`; where there is none, x and
    y are those of the frame, over which a mean mask of its own lies.
    """

    frame: Tensor
    prior: Tensor
    frame_prior: Tensor

    def __init__(self, classes: int, *, with_faces: bool = False) -> None:
        super().__init__()
        self.fcn = Fcn(classes, in_channels=6)
        corners = torch.tensor([[-1.0, 1.0], [-1.0, 1.0]])
        self.register_buffer("frame", torch.stack((corners, corners.T))[None], persistent=False)
        self.register_buffer("prior", torch.full((1, 1, PRIOR_SIZE, PRIOR_SIZE), 0.5))
        self.with_faces = with_faces
        if with_faces:
            self.register_buffer("frame_prior", self.prior.clone())

    def set_prior(self, mean_mask: Tensor) -> None:
        """Tell where persons are: the mean of the training masks, (h, w) in 0..1. It is saved with the weights.

        Of a network with faces it lies over the window of the face. Until then every place is as likely as any other.
        Raises ValueError when it is not (h, w) in 0..1.
        """
        _set(self.prior, mean_mask)

    def set_frame_prior(self, mean_mask: Tensor) -> None:
        """Tell a network with faces where persons are in the frame, (h, w) in 0..1, for images without a face.

        Raises ValueError as `set_prior`.
        """
        _set(self.frame_prior, mean_mask)

    def forward(self, image: Tensor, place: Tensor | None = None) -> Tensor:
        """Return logits (n, classes, h, w) at the size of the image.

        Of a network with faces `place` (n, 2, 3) says where they are; zeros, and None, stand for no face.
        """
        return self.fcn(self.with_place(image, place))  # type: ignore[no-any-return]

    def deepest_features(self, image: Tensor) -> Tensor:
        """Return the deepest features (n, c, h / 32, w / 32) float of images."""
        features: Tensor = self.fcn.encoder(self.with_place(image))[-1]
        return features

    def with_place(self, image: Tensor, place: Tensor | None = None) -> Tensor:
        """Return images with x, y and the prior of each pixel behind their colours, (n, 6, h, w) float."""
        if self.with_faces:
            return torch.cat((image, self._around_face(image, place)), dim=1)
        # Between its corners the frame is linear, so that enlarging four corners gives x and y of every pixel.
        frame = F.interpolate(self.frame, size=image.shape[-2:], mode="bilinear", align_corners=True)
        # As the pixels, which are normalised, the prior is centred on zero.
        prior = 2 * upsampled(self.prior, like=image) - 1
        place = torch.cat((frame, prior), dim=1).expand(image.shape[0], -1, -1, -1)
        return torch.cat((image, place), dim=1)

    def _around_face(self, image: Tensor, place: Tensor | None) -> Tensor:
        """Return x, y and the prior of each pixel in the window of its face, (n, 3, h, w) float."""
        number, (height, width) = image.shape[0], image.shape[-2:]
        frame_prior = upsampled(self.frame_prior, like=image).expand(number, -1, -1, -1)
        frame = F.interpolate(self.frame, size=(height, width), mode="bilinear", align_corners=True)
        # places count from edge to edge, and corners of the frame are the middles of pixels
        middles = 1 - 1 / torch.tensor([width, height], dtype=image.dtype, device=image.device)
        points = frame * middles[:, None, None]
        if place is None:
            return torch.cat((points.expand(number, -1, -1, -1), 2 * frame_prior - 1), dim=1)
        has_face = place.abs().sum(dim=(1, 2))[:, None, None, None] > 0
        # no product of matrices, which mixed precision would round to 8 bits
        across, down, shift = (place[:, :, index, None, None] for index in range(3))
        around = torch.where(has_face, across * points[:, :1] + down * points[:, 1:] + shift, points)
        prior = F.grid_sample(
            self.prior.expand(number, -1, -1, -1),
            around.permute(0, 2, 3, 1),
            mode="bilinear",
            padding_mode="border",
            align_corners=False,
        )
        prior = torch.where(has_face, prior, frame_prior)
        return torch.cat((around.clamp(-FURTHEST, FURTHEST), 2 * prior - 1), dim=1)


def _set(prior: Tensor, mean_mask: Tensor) -> None:
    if mean_mask.ndim != 2 or not bool(((mean_mask >= 0) & (mean_mask <= 1)).all()):
        raise ValueError(f"the mean mask has to be (h, w) in 0..1, got {tuple(mean_mask.shape)}")
    wanted = mean_mask[None, None].to(prior)
    prior.copy_(F.interpolate(wanted, size=prior.shape[-2:], mode="bilinear", antialias=True))


def portrait_fcn(*, classes: int, with_imagenet: bool, prior: str = "frame") -> nn.Module:
    """Return the network, random or with torchvision's ShuffleNet V2 1.0x as its backbone.

    Its `prior` lies over the `frame`, or over the `face`.
    """
    network = PortraitFcn(classes, with_faces=prior == "face")
    if with_imagenet:
        pretrain_shufflenet(network.fcn.encoder)
    return network
