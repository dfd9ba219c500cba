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
    too. Where the face is says the place (n, 2, 3) of `forward`, see `models.faces.places`.
    """

    frame: Tensor
    prior: Tensor
    usual_place: Tensor

    def __init__(self, classes: int, *, with_faces: bool = False) -> None:
        super().__init__()
        self.fcn = Fcn(classes, in_channels=6)
        corners = torch.tensor([[-1.0, 1.0], [-1.0, 1.0]])
        self.register_buffer("frame", torch.stack((corners, corners.T))[None], persistent=False)
        self.register_buffer("prior", torch.full((1, 1, PRIOR_SIZE, PRIOR_SIZE), 0.5))
        self.with_faces = with_faces
        if with_faces:
            self.register_buffer("usual_place", torch.eye(2, 3)[None])

    def set_prior(self, mean_mask: Tensor) -> None:
        """Tell where persons are: the mean of the training masks, (h, w) in 0..1. It is saved with the weights.

        Until then every place is as likely as any other. Raises ValueError when it is not (h, w) in 0..1.
        """
        if mean_mask.ndim != 2 or not bool(((mean_mask >= 0) & (mean_mask <= 1)).all()):
            raise ValueError(f"the mean mask has to be (h, w) in 0..1, got {tuple(mean_mask.shape)}")
        wanted = mean_mask[None, None].to(self.prior)
        self.prior.copy_(F.interpolate(wanted, size=self.prior.shape[-2:], mode="bilinear", antialias=True))

    def set_usual_place(self, place: Tensor) -> None:
        """Tell where a face usually lies, (2, 3): there it is sought where none was found. Saved with the weights."""
        self.usual_place.copy_(place[None])

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
        usual = self.usual_place.expand(number, -1, -1)
        where = usual if place is None else torch.where(place.abs().sum(dim=(1, 2), keepdim=True) > 0, place, usual)
        # places count from edge to edge, and corners of the frame are the middles of pixels
        middles = 1 - 1 / torch.tensor([width, height], dtype=image.dtype, device=image.device)
        frame = F.interpolate(self.frame, size=(height, width), mode="bilinear", align_corners=True)[0]
        points = (frame * middles[:, None, None]).flatten(1)
        # no product of matrices, which mixed precision would round to 8 bits
        across, down = where[:, :, 0:1] * points[0], where[:, :, 1:2] * points[1]
        around = (across + down + where[:, :, 2:]).reshape(number, 2, height, width)
        prior = F.grid_sample(
            self.prior.expand(number, -1, -1, -1),
            around.permute(0, 2, 3, 1),
            mode="bilinear",
            padding_mode="border",
            align_corners=False,
        )
        return torch.cat((around.clamp(-FURTHEST, FURTHEST), 2 * prior - 1), dim=1)


def portrait_fcn(*, classes: int, with_imagenet: bool, prior: str = "frame") -> nn.Module:
    """Return the network, random or with torchvision's ShuffleNet V2 1.0x as its backbone.

    Its `prior` lies over the `frame`, or over the `face`.
    """
    network = PortraitFcn(classes, with_faces=prior == "face")
    if with_imagenet:
        pretrain_shufflenet(network.fcn.encoder)
    return network
