"""What is labelled by which models, and what a label needs to be kept: the flags of `curate prelabel`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from curation.sources.shared_settings import shards_setting
from pipelines.command_line.options import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class PrelabelFlags:
    """What is labelled by whom, and what a label needs to be kept."""

    pool: tuple[Path, ...] = setting(
        "Data sets to label, such as those of `curate images`; samples with a label stay out.",
        positional=True,
        metavar="POOL...",
    )
    teacher: tuple[Path, ...] = setting(
        "A model that labels: a run folder, or an ONNX, TFLite or TensorFlow model with its card beside it; may be "
        "repeated.",
        metavar="M",
    )
    out: Path = setting("Dataset to make.", metavar="D")
    agreement: float = setting(
        "Keep a label where the teachers, or the views of a single one, agree so much: the mean mIoU of all pairs.",
        default=0.9,
    )
    support: float = setting(
        "Keep a label where so much of the worst tenth of its outline lies on edges of the image.", default=0.2
    )
    test: tuple[Path, ...] = setting(
        "Data sets that models are measured on (their split test, or all rows): what shows the same image, a near copy "
        "or one of the same group is left out.",
        default=(),
        metavar="D",
    )
    with_flips: bool = setting("Teachers predict each image and its mirror image, and give the mean.", default=False)
    with_scales: bool = setting(
        "Of a single teacher: predict the image shrunk as well, for the agreement alone.", default=False
    )
    where: str | None = setting("Label only rows for which this pandas query holds.", default=None, metavar="QUERY")
    prefix: bool = setting("Put the name of each dataset's folder before its ids.", default=False)
    shards: bool = shards_setting()

    def __post_init__(self) -> None:
        """Refuse numbers that can do nothing."""
        for name, share in (("--agreement", self.agreement), ("--support", self.support)):
            if not 0 <= share <= 1:
                raise click.UsageError(f"{name} {share:g} is not between 0 and 1")
