"""How much a teacher counts in a training, and in what way."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Distillation:
    """How a teacher counts: `weight` is that of the term beside the losses of labels.

    Both logits are divided by `temperature`. A pixel near the teacher's outline counts `boundary` times. With a
    `confidence` only pixels count of which the teacher is so sure, of person or of background.
    """

    weight: float = 1.0
    temperature: float = 1.0
    boundary: float = 1.0
    confidence: float = 0.0

    def __post_init__(self) -> None:
        """Refuse numbers with which nothing is learnt."""
        for name, value in (("distill", self.weight), ("distill_temperature", self.temperature)):
            if not 0 < value < math.inf:
                raise ValueError(f"{name} must be above 0 - got {value}")
        if not 1 <= self.boundary < math.inf:
            raise ValueError(f"distill_boundary must be 1 or more - got {self.boundary}")
        if self.confidence and not 0.5 <= self.confidence < 1:
            raise ValueError(f"distill_confidence must be 0, or from 0.5 to below 1 - got {self.confidence}")
