"""From images to probabilities on one engine: resized and normalised as in training, computed, brought back to size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from curation.errors import InputRefused
from curation.pixels import Image
from models.card import ModelCard
from models.prediction.engines import Engine
from models.prediction.outputs import Scores, is_sound, person_scores, probabilities
from models.prediction.protocol import Probability
from models.preprocessing import at_size, normalised, resized


class EnginePredictor:
    """A model on an engine; what every command predicts with. `batch` images at once keep the engine busy."""

    def __init__(self, engine: Engine, *, card: ModelCard, name: str, with_flips: bool = False) -> None:
        self.name = name
        self.batch = engine.batch
        self._engine = engine
        self._card = card
        self._with_flips = with_flips

    def predict(self, images: Sequence[Image]) -> list[Probability]:
        """Give the probability of person of each image, (h, w, 3) uint8 RGB, at the size of that image.

        Raises InputRefused when the model gives what is no probability, or is not finite.
        """
        found = []
        for index, (image, probability) in enumerate(zip(images, self.raw(images))):
            if probability is None:
                raise InputRefused(
                    f"the model gives numbers that are not finite, for image {index} of {len(images)}",
                    where=self.name,
                    remedy="train it again with a lower learning rate",
                )
            height, width = image.shape[:2]
            found.append(at_size(probability, size=(height, width)))
        return found

    def raw(self, images: Sequence[Image]) -> list[Probability | None]:
        """Give the probability of each image at the size of the model's output; None where it is not finite."""
        found: list[Probability | None] = []
        for start in range(0, len(images), self.batch):
            found += self._batch(images[start : start + self.batch])
        return found

    def scores(self, images: Sequence[Image]) -> Scores:
        """Give the log-odds of person, as `outputs.person_scores`, of one batch at the size of the model's output."""
        inputs = np.stack([self._prepared(image) for image in images])
        return self._scores(inputs)

    def _batch(self, images: Sequence[Image]) -> Iterator[Probability | None]:
        inputs = np.stack([self._prepared(image) for image in images])
        scores = self._scores(inputs)
        mirrored = self._scores(_mirrored(inputs, card=self._card)) if self._with_flips else None
        for index in range(len(images)):
            one = scores[index]
            other = None if mirrored is None else mirrored[index, :, ::-1]
            if not is_sound(one) or (other is not None and not is_sound(other)):
                yield None
                continue
            probability = probabilities(one, card=self._card)
            if other is not None:
                probability = (probability + probabilities(other, card=self._card)) / np.float32(2)
            yield probability

    def _prepared(self, image: Image) -> NDArray[np.float32]:
        return normalised(resized(image, size=self._card.input_size), card=self._card)

    def _scores(self, inputs: NDArray[np.float32]) -> Scores:
        return person_scores(self._engine.run(inputs), card=self._card)


def _mirrored(inputs: NDArray[np.float32], *, card: ModelCard) -> NDArray[np.float32]:
    """Give prepared images with left and right exchanged."""
    return np.ascontiguousarray(inputs[..., ::-1] if card.layout == "NCHW" else inputs[:, :, ::-1])
