"""A model by its path or its name in a registry, ready to predict arrays in this process."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, overload

import numpy as np

from curation.images.pixels import Image, Probability
from models.card import ModelCard
from models.prediction.prepare import prepare
from models.prediction.protocol import EngineOptions, Predictor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class LoadedModel:
    """A model that was checked and opened: what it is called, its card, where it lies, and what runs it."""

    name: str
    card: ModelCard
    file: Path
    engine: str
    device: str
    predictor: Predictor

    @overload
    def predict(self, images: Image) -> Probability: ...

    @overload
    def predict(self, images: Sequence[Image]) -> list[Probability]: ...

    def predict(self, images: Image | Sequence[Image]) -> Probability | list[Probability]:
        """Return the probability of person, (h, w) float32 in 0..1, of one image, (h, w, 3) uint8 RGB, at its size.

        Of a list of images, which may differ in size, return a list. Raises TypeError or ValueError for what is no
        image, InputRefused where the model gives numbers that are not finite or no probability.
        """
        if isinstance(images, np.ndarray) and images.ndim != 4:
            return self.predict([images])[0]
        for index, image in enumerate(images):
            if not isinstance(image, np.ndarray):
                raise TypeError(f"image {index} is of type {type(image).__name__}; give arrays, (h, w, 3) uint8 RGB")
            if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
                raise ValueError(f"image {index} is {image.shape} {image.dtype}; give (h, w, 3) uint8 RGB, 0 to 255")
        return self.predictor.predict(list(images))

    def __repr__(self) -> str:
        """Return one line: the name, the size that it sees, and what runs it."""
        height, width = self.card.input_size
        return f"<Model {self.name!r}: sees {height} x {width} (height x width), {self.engine} on {self.device}>"


def load_model(
    model: str | os.PathLike[str],
    *,
    device: str = "auto",
    precision: Literal["fp32", "fast"] = "fp32",
    with_flips: bool = False,
    threads: int = len(os.sched_getaffinity(0)),
) -> LoadedModel:
    """Return a model, ready to predict: a run folder, a foreign model with its card beside it, or `models:/NAME@ALIAS`.

    `device`, `precision` and `with_flips` are those of `EngineOptions`; `threads` are all cores by default. The model
    is checked in a process of its own first, as every command does. Raises SecurityRefused: a format that can carry
    code, or an ONNX file that is unsafe; InputRefused: no model, damaged, not as its card says, no finite answer;
    ConfigurationProblem: the device; EnvironmentProblem: no runtime, or no memory.
    """
    options = EngineOptions(device=device, precision=precision, workers=threads)
    ready = prepare(Path(model), options=options)
    return LoadedModel(
        name=ready.name,
        card=ready.card,
        file=ready.file,
        engine=ready.engine,
        device=ready.device,
        predictor=ready.predictor(threads=max(1, threads), with_flips=with_flips),
    )
