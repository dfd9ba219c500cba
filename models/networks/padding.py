"""Images brought to a size that a network can halve as often as it has to."""

from __future__ import annotations

import warnings

import torch.nn.functional as F  # noqa: N812  (the name by which everyone knows it)
from torch import Tensor
from torch.jit import TracerWarning, is_tracing  # type: ignore[attr-defined]


def padded(image: Tensor, *, multiple: int, least: int = 1) -> Tensor:
    """Return (n, c, h, w) with both sizes rounded up to a multiple and to `least` pixels; the last row and column
    repeat.

    Nothing is added above and on the left, so that every pixel stays where it was: cut `[..., :h, :w]` out of what
    comes of it. Repeated pixels look like more of the same; a border of zeros would be an edge that is not there. The
    dtype, float, is kept.
    """
    height, width = fixed_size(image)
    below, right = (max(-side % multiple, least - side) for side in (height, width))
    return F.pad(image, (0, right, 0, below), mode="replicate") if below or right else image


def fixed_size(image: Tensor) -> tuple[int, int]:
    """Return the height and width of (n, c, h, w), of any dtype, as int; a graph that is traced is for one size."""
    height, width = image.shape[-2:]
    if not is_tracing():  # type: ignore[no-untyped-call]
        return height, width
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TracerWarning)  # that it is for one size
        return int(height), int(width)
