"""From images to probabilities on one engine: resized and normalised as in training, computed, brought back to size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.errors import InputRefused
from curation.pixels import Image
from models.card import ModelCard
from models.metrics.confusion import cut
from models.metrics.disagreement import disagreement
from models.prediction.engines import Engine
from models.prediction.output_axes import WrongShape, read_axes
from models.prediction.outputs import Scores, is_sound, log_odds, person_scores, probabilities
from models.prediction.protocol import Probability
from models.prediction.scales import SCALE, framed, unframed
from models.prediction.windows import WindowMap, windows_of
from models.preprocessing import at_size, normalised, resized


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """The probability of person in an image, at the size of the model's output.

    `disagreement` is that of the views of the image which were predicted, None for one alone. `strength` is that of the
    strongest blob where windows were predicted; `probability` is then 1 in it and 0 elsewhere.
    """

    probability: Probability
    disagreement: float | None
    strength: float | None = None


class EnginePredictor:
    """A model on an engine; what every command predicts with. `batch` images at once keep the engine busy.

    `with_flips`, `with_scales` and `with_windows` are those of `EngineOptions`.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        card: ModelCard,
        name: str,
        with_flips: bool = False,
        with_scales: bool = False,
        with_windows: bool = False,
    ) -> None:
        self.name = name
        self.batch = engine.batch
        self._engine = engine
        self._card = card
        self._with_flips = with_flips
        self._with_scales = with_scales
        self._with_windows = with_windows

    def predict(self, images: Sequence[Image]) -> list[Probability]:
        """Give the probability of person of each image, (h, w, 3) uint8 RGB, at the size of that image.

        Raises InputRefused when the model gives what is no probability, or is not finite.
        """
        found = []
        for index, (image, answer) in enumerate(zip(images, self.raw(images))):
            if answer is None:
                raise InputRefused(
                    f"the model gives numbers that are not finite, for image {index} of {len(images)}",
                    where=self.name,
                    remedy="train it again with a lower learning rate",
                )
            height, width = image.shape[:2]
            found.append(at_size(answer.probability, size=(height, width)))
        return found

    def raw(self, images: Sequence[Image]) -> list[Answer | None]:
        """Give the answer for each image at the size of the model's output; None where one is not finite."""
        if self._with_windows:
            return [self._in_windows(image) for image in images]
        found: list[Answer | None] = []
        for start in range(0, len(images), self.batch):
            found += self._batch(images[start : start + self.batch])
        return found

    def scores(self, images: Sequence[Image]) -> Scores:
        """Give the log-odds of person, as `outputs.person_scores`, of one batch at the size of the model's output."""
        return person_scores(self.output(images), card=self._card)

    def output(self, images: Sequence[Image]) -> NDArray[Any]:
        """Return what the network gives for one batch, as it is."""
        return self._output(np.stack([self._prepared(image) for image in images]))

    def _in_windows(self, image: Image) -> Answer | None:
        """Give where the strongest blob of the windows of one image lies; None where a window is not finite."""
        size = image.shape[0], image.shape[1]
        windows, seen = windows_of(size), WindowMap(size)
        for start in range(0, len(windows), self.batch):
            some = windows[start : start + self.batch]
            scores = self.scores([np.ascontiguousarray(image[y : y + h, x : x + w]) for y, x, h, w in some])
            if not is_sound(scores):
                return None
            for odds, window in zip(log_odds(scores, card=self._card), some, strict=True):
                seen.add(odds, window=window)
        blob = seen.strongest()
        return Answer(probability=(blob.mask > 0).astype(np.float32), disagreement=None, strength=blob.strength)

    def _batch(self, images: Sequence[Image]) -> Iterator[Answer | None]:
        inputs = np.stack([self._prepared(image) for image in images])
        views = [self._scores(inputs)]
        if self._with_flips:
            views.append(self._scores(_mirrored(inputs, card=self._card))[..., ::-1])
        if self._with_scales:
            views.append(self._shrunk(images))
        for index in range(len(images)):
            scores = [view[index] for view in views]
            averaged = scores[: 1 + self._with_flips]
            yield self._answer(scores) if all(map(is_sound, averaged)) else None

    def _shrunk(self, images: Sequence[Image]) -> Scores:
        size = self._card.input_size
        small = [framed(image, size=size, scale=SCALE) for image in images]
        scores = self._scores(np.stack([normalised(image, card=self._card) for image in small]))
        return np.stack([unframed(one, size=size, scale=SCALE) for one in scores])

    def _answer(self, scores: Sequence[Scores]) -> Answer:
        """Give the answer of the views of one image: itself, its mirror image turned back, itself shrunk."""
        found = [probabilities(one, card=self._card) for one in scores if is_sound(one)]
        probability = (found[0] + found[1]) / np.float32(2) if self._with_flips else found[0]
        differ = disagreement([cut(one) for one in found]) if 1 < len(scores) == len(found) else None
        return Answer(probability=probability, disagreement=differ)

    def _prepared(self, image: Image) -> NDArray[Any]:
        return normalised(resized(image, size=self._card.input_size), card=self._card)

    def _scores(self, inputs: NDArray[Any]) -> Scores:
        return person_scores(self._output(inputs), card=self._card)

    def _output(self, inputs: NDArray[Any]) -> NDArray[Any]:
        output = self._engine.run(inputs)
        if (found := read_axes(output.shape, card=self._card).images) != len(inputs):
            raise WrongShape(
                f"the model gives an output of shape {output.shape} for {len(inputs)} images, which is one of {found}",
                remedy="export it again with an axis of images before the others",
            )
        return output


def _mirrored(inputs: NDArray[Any], *, card: ModelCard) -> NDArray[Any]:
    """Give prepared images with left and right exchanged."""
    return np.ascontiguousarray(inputs[..., ::-1] if card.layout == "NCHW" else inputs[:, :, ::-1])
