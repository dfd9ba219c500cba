"""The pixel door: the only file that decodes and encodes images."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Image: TypeAlias = NDArray[np.uint8]
"""(height, width, 3) RGB, 0..255, as displayed."""
Mask: TypeAlias = NDArray[np.uint8]
"""(height, width), 0 = background, 255 = person."""
Alpha: TypeAlias = NDArray[np.uint8]
"""(height, width), 0 = background, 255 = foreground."""


def decode_image(data: bytes, *, file: str) -> Image:
    raise NotImplementedError


def decode_alpha(data: bytes, *, file: str) -> Alpha:
    raise NotImplementedError


def decode_matte(data: bytes, *, file: str) -> Alpha:
    raise NotImplementedError


def decode_mask(data: bytes, *, file: str) -> Mask:
    raise NotImplementedError


def encode_mask(mask: Mask) -> bytes:
    raise NotImplementedError


def encode_gray(array: NDArray[np.uint8]) -> bytes:
    raise NotImplementedError
