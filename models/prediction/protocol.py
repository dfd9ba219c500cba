"""What a model is, wherever it runs, and how a user wants it run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from curation.building.engine import Engine
from curation.building.local_engine import LOCAL
from curation.images.pixels import Image, Probability


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """Where and how a model runs.

    `device` is auto, cpu, cuda or cuda:N. `precision` "fast" takes bfloat16 where the processor computes with it, and
    is "fp32" elsewhere. `with_flips` averages the prediction with that of the mirrored image, at twice the cost.
    `with_scales` predicts the image shrunk as well, only to tell how far the views disagree: no prediction changes.
    `with_windows` predicts windows of the image instead of the whole, about a hundred, and gives where and how strong
    the strongest blob is that they see. `with_classes` also gives the classes of a model of several parts of a person.
    `workers` is the number of processes that predict files (0: this process, without isolation), and of threads in
    this process otherwise. A chunk of files that takes longer than `item_timeout_s` for each is given up.
    `engine` says on what machines files are predicted, and `folder` which folder the command holds for what it makes:
    several machines lay predictions there on their way.
    """

    device: str = "auto"
    precision: Literal["fp32", "fast"] = "fp32"
    with_flips: bool = False
    with_scales: bool = False
    with_windows: bool = False
    with_classes: bool = False
    workers: int = len(os.sched_getaffinity(0))
    item_timeout_s: float = 30.0
    engine: Engine = LOCAL
    folder: Path | None = None


class Predictor(Protocol):
    """A model that is ready to predict. `name` says which, in tables and files."""

    name: str

    def predict(self, images: Sequence[Image]) -> list[Probability]:
        """Return the probability of person of each image, (h, w, 3) uint8 RGB, at the size of that image.

        Images of one call may differ in size. Raises InputRefused when the model gives what is no probability.
        """
        ...
