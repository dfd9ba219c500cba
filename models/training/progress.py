"""Where a training is: what a checkpoint holds beside the weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

Row: TypeAlias = dict[str, Any]
"""What is written down of an epoch, by column."""


@dataclass(slots=True, kw_only=True)
class Progress:
    """Counts of what is done. `stage`, `epoch` and `batch` are those that come next, from 0.

    `stage_step` counts the optimizer steps of the stage, `step` those of the training, `batches` its batches.
    `best_miou`, the best score of a validation, and `best_epoch` are of the stage. The sums are of the epoch under way;
    `rows` are the epochs that are over.
    """

    stage: int = 0
    epoch: int = 0
    batch: int = 0
    stage_step: int = 0
    step: int = 0
    best_miou: float = -1.0
    best_epoch: int = -1
    batches: int = 0
    loss_sum: float = 0.0
    loss_count: int = 0
    seconds: float = 0.0
    rows: list[Row] = field(default_factory=list)

    def to_state(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Progress:
        """Return it back from plain values."""
        return cls(**state)

    def end_epoch(self) -> None:
        """Go on to the next epoch of the stage."""
        self.epoch += 1
        self.batch, self.loss_sum, self.loss_count, self.seconds = 0, 0.0, 0, 0.0

    def end_stage(self) -> None:
        """Go on to the next stage."""
        self.stage += 1
        self.epoch, self.batch, self.stage_step = 0, 0, 0
        self.best_miou, self.best_epoch = -1.0, -1
