"""What to mine, with which model, and what counts as hard: the flags of `curate mine`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from models.evaluation.choose_sets import SplitChoice
from models.evaluation.score_files import Precision
from models.metrics.summary import HARD_BELOW
from pipelines.command_line.options import setting

TEACHERS, WRONG = "teachers", "wrong_labels"
"""Of the card: the teachers, and the share of labels that are wrong, None where that cannot be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MineFlags:
    """What to mine with which model, and what counts as hard."""

    model: Path = setting(
        "The model: a run folder of `curate train`, or an ONNX, TFLite or TensorFlow model with its card beside it."
    )
    data: tuple[Path, ...] = setting("Data sets to mine, with or without labels; may be repeated.", metavar="D...")
    out: Path = setting("Dataset of hard cases to make.", metavar="D2")
    threshold: float = setting("Keep samples whose mIoU is below this.", default=HARD_BELOW)
    pool_share: float = setting(
        "Of the samples without a label, keep this share, the most uncertain; at least one unless it is 0.",
        default=0.1,
    )
    split: SplitChoice = setting("Mine the samples of this split.", default="all")
    where: str | None = setting("Mine only rows for which this pandas query holds.", default=None, metavar="QUERY")
    second: tuple[Path, ...] = setting(
        "Other models, to separate wrong labels from hard images.", default=(), metavar="M"
    )
    teacher: tuple[Path, ...] = setting(
        "Strong models, for deeper verdicts: with the probability that a label is wrong, and how it is.",
        default=(),
        metavar="M",
    )
    folds: int = setting(
        "Train K networks, each without one part of the data, to separate wrong labels from hard images.",
        default=0,
        metavar="K",
    )
    network: str = setting("With --folds: the network.", default="unet_shufflenet")
    epochs: int = setting("With --folds: rounds through the data.", default=60, metavar="N")
    precision: Precision = setting(
        "Fast predicts in bfloat16 where the processor can, and again in fp32 what comes near the threshold.",
        default="fast",
    )
    with_flips: bool = setting(
        "Predict each image and its mirror image, and take the mean; view_disagreement is how far they differ.",
        default=False,
    )
    with_scales: bool = setting(
        "Predict each image shrunk as well, for view_disagreement alone: no prediction changes.", default=False
    )
    prefix: bool = setting("Put the name of each dataset's folder before its ids.", default=False)

    def __post_init__(self) -> None:
        """Refuse numbers that can do nothing."""
        for name, share in (("--threshold", self.threshold), ("--pool-share", self.pool_share)):
            if not 0 <= share <= 1:
                raise click.UsageError(f"{name} {share:g} is not between 0 and 1")
        if self.folds < 0 or self.folds == 1:
            raise click.UsageError(f"--folds {self.folds} leaves nothing to train on; give 2 or more, 5 is usual")
