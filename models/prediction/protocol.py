"""What a model is, wherever it runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from curation.pixels import Image

Probability: TypeAlias = NDArray[np.float32]
"""(height, width) float32: the probability of person, 0..1."""


class Predictor(Protocol):
    """A model that is ready to predict. `name` says which, in tables and files."""

    name: str

    def predict(self, images: Sequence[Image]) -> list[Probability]:
        """Give the probability of person of each image, (h, w, 3) uint8 RGB, at the size of that image.

        Images of one call may differ in size. Raises InputRefused when the model gives what is no probability.
        """
        ...
