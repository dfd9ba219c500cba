"""From images to probabilities on one engine: resized and normalised as in training, computed, brought back to size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from curation.errors import InputRefused
from curation.images.pixels import Image, Probability
from curation.labels.masks import mask_of
from models.card import ModelCard
from models.faces.packaged import FacesOf
from models.faces.places import Place, in_window, mirrored, place_of_largest
from models.metrics.disagreement import disagreement
from models.prediction.engines import Engine
from models.prediction.output_axes import WrongShape, read_axes
from models.prediction.outputs import Scores, is_sound, log_odds, person_scores, probabilities
from models.prediction.scales import SCALE, framed, unframed, window_of_frame
from models.prediction.windows import WindowMap, windows_of
from models.preprocessing import at_size, normalised, resized

BACKGROUND: Final = 0
"""Of a card's `classes`: background, unknown, person."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """The probability of person in an image, at the size of the model's output; of three classes also of background.

    `planes` are what a model of several parts of a person gives for them, as it is.

    `disagreement` is that of the views of the image which were predicted, None for one alone. `strength` is that of the
    strongest blob where windows were predicted; `probability` is then 1 in it and 0 elsewhere.
    """

    probability: Probability
    disagreement: float | None
    strength: float | None = None
    background: Probability | None = None
    planes: NDArray[Any] | None = None


class EnginePredictor:
    """A model on an engine; what every command predicts with. `batch` images at once keep the engine busy.

    `with_flips`, `with_scales` and `with_windows` are those of `EngineOptions`. A model that takes the place of a face
    is told it by what `faces_of` finds; without that, as if there were none.
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
        faces_of: FacesOf | None = None,
    ) -> None:
        self.name = name
        self.batch = engine.batch
        self._engine = engine
        self._card = card
        self._with_flips = with_flips
        self._with_scales = with_scales
        self._with_windows = with_windows
        self._faces_of = faces_of

    def predict(self, images: Sequence[Image]) -> list[Probability]:
        """Return the probability of person of each image, (h, w, 3) uint8 RGB, at the size of that image.

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
        """Return the answer for each image at the size of the model's output; None where one is not finite."""
        if self._with_windows:
            return [self._in_windows(image) for image in images]
        found: list[Answer | None] = []
        for start in range(0, len(images), self.batch):
            found += self._batch(images[start : start + self.batch])
        return found

    def scores(self, images: Sequence[Image]) -> Scores:
        """Return the log-odds of person, as `outputs.person_scores`, of one batch at the size of the model's output."""
        return person_scores(self.output(images), card=self._card)

    def output(self, images: Sequence[Image]) -> NDArray[Any]:
        """Return what the network gives for one batch, as it is."""
        places = self._places(images)
        return self._output(np.stack([self._prepared(image) for image in images]), places=places)

    def _in_windows(self, image: Image) -> Answer | None:
        """Return where the strongest blob of the windows of one image lies; None where a window is not finite."""
        size = image.shape[0], image.shape[1]
        windows, seen, places = windows_of(size), WindowMap(size), self._places([image])
        for start in range(0, len(windows), self.batch):
            some = windows[start : start + self.batch]
            parts = [self._prepared(np.ascontiguousarray(image[y : y + h, x : x + w])) for y, x, h, w in some]
            of_parts = places and [in_window(places[0], window=window, size=size) for window in some]
            scores = self._scores(np.stack(parts), places=of_parts)
            if not is_sound(scores):
                return None
            for odds, window in zip(log_odds(scores, card=self._card), some, strict=True):
                seen.add(odds, window=window)
        blob = seen.strongest()
        return Answer(probability=(blob.mask > 0).astype(np.float32), disagreement=None, strength=blob.strength)

    def _batch(self, images: Sequence[Image]) -> Iterator[Answer | None]:
        inputs = np.stack([self._prepared(image) for image in images])
        places = self._places(images)
        outputs = [self._output(inputs, places=places)]
        if self._with_flips:
            mirror = _mirrored(inputs, card=self._card)
            outputs.append(self._output(mirror, places=places and [mirrored(place) for place in places]))
        views = _views(outputs, card=self._card)
        behind = _views(outputs, card=msgspec.structs.replace(self._card, person_index=BACKGROUND))
        if self._with_scales:
            views.append(self._shrunk(images, places=places))
        for index in range(len(images)):
            scores = [view[index] for view in views]
            if not all(map(is_sound, scores[: 1 + self._with_flips])):
                yield None
                continue
            answer = self._answer(scores)
            if self._card.is_trimap:
                answer = replace(answer, background=self._averaged([view[index] for view in behind]))
            yield replace(answer, planes=outputs[0][index]) if self._card.class_names else answer

    def _shrunk(self, images: Sequence[Image], *, places: list[Place] | None) -> Scores:
        size = self._card.input_size
        small = [framed(image, size=size, scale=SCALE) for image in images]
        window, inner = window_of_frame(size, scale=SCALE)
        shrunk = places and [in_window(place, window=window, size=inner) for place in places]
        scores = self._scores(np.stack([normalised(image, card=self._card) for image in small]), places=shrunk)
        return np.stack([unframed(one, size=size, scale=SCALE) for one in scores])

    def _answer(self, scores: Sequence[Scores]) -> Answer:
        """Return the answer of the views of one image: itself, its mirror image turned back, itself shrunk."""
        found = [probabilities(one, card=self._card) for one in scores if is_sound(one)]
        differ = disagreement([mask_of(one) for one in found]) if 1 < len(scores) == len(found) else None
        return Answer(probability=self._averaged(scores), disagreement=differ)

    def _averaged(self, scores: Sequence[Scores]) -> Probability:
        """Return the probability of an image, or the mean with that of its mirror image."""
        first, *others = (probabilities(one, card=self._card) for one in scores[: 1 + self._with_flips])
        return (first + others[0]) / np.float32(2) if others else first

    def _prepared(self, image: Image) -> NDArray[Any]:
        return normalised(resized(image, size=self._card.input_size), card=self._card)

    def _places(self, images: Sequence[Image]) -> list[Place] | None:
        """Return where the largest face of each image is; None for a model that is not told it."""
        if self._faces_of is None:
            return None
        return [place_of_largest(self._faces_of(image), size=(image.shape[0], image.shape[1])) for image in images]

    def _scores(self, inputs: NDArray[Any], *, places: list[Place] | None) -> Scores:
        return person_scores(self._output(inputs, places=places), card=self._card)

    def _output(self, inputs: NDArray[Any], *, places: list[Place] | None) -> NDArray[Any]:
        output = self._engine.run(inputs, None if places is None else np.stack(places).astype(np.float32))
        if (found := read_axes(output.shape, card=self._card).images) != len(inputs):
            raise WrongShape(
                f"the model gives an output of shape {output.shape} for {len(inputs)} images, which is one of {found}",
                remedy="export it again with an axis of images before the others",
            )
        return output


def _views(outputs: Sequence[NDArray[Any]], *, card: ModelCard) -> list[Scores]:
    """Return the scores of the outputs for images, and for their mirror images, turned back."""
    return [person_scores(output, card=card)[..., :: -1 if number else 1] for number, output in enumerate(outputs)]


def _mirrored(inputs: NDArray[Any], *, card: ModelCard) -> NDArray[Any]:
    """Return prepared images, (n, 3, h, w) or (n, h, w, 3) of any dtype, with left and right exchanged."""
    return np.ascontiguousarray(inputs[..., ::-1] if card.layout == "NCHW" else inputs[:, :, ::-1])
