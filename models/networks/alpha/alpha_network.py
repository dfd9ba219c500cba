"""What every network that gives an alpha promises."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from curation.errors import ConfigurationProblem
from models.losses.alphas import AlphaParts

OPAQUE = 255
"""The largest alpha that leaves the network, as `output: alpha` of a card says."""


class AlphaNetwork(nn.Module):
    """A network that gives an alpha of images of any size, (n, 3, h, w) float32, normalised.

    `losses` are the terms that its source trains it with, by weight.
    """

    losses: Mapping[str, float]

    def parts(self, image: Tensor, trimap: Tensor | None = None, *, only_trimap: bool = False) -> AlphaParts:
        """Return the alpha in 0..1, (n, 1, h, w), and what the branches say.

        With `trimap`, (n, 3, h, w) of 0 and 1, a network that predicts a trimap takes the given one in its place, and
        predicts none. With `only_trimap` it does not matte: the alpha is that of its trimap, unknown a half.
        """
        raise NotImplementedError

    def forward(self, image: Tensor) -> Tensor:
        """Return the alpha in 0..255, (n, 1, h, w) float32."""
        return OPAQUE * self.parts(image).alpha


def refuse_classes(name: str, *, classes: int) -> None:
    """Raise ConfigurationProblem where an alpha network is to have several classes."""
    if classes != 1:
        raise ConfigurationProblem(
            f"{name} gives an alpha, which has no classes - got classes {classes}", remedy="leave out --classes"
        )
