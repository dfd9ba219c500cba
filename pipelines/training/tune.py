"""`curate tune`: a model fitted to one labelled photograph, for the rest of a video or of a session."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import click

from pipelines.command_line.options import Result, RunOptions, setting
from pipelines.command_line.progress import progress_bar


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneFlags:
    """What to fit to what."""

    model: Path = setting("The run folder of a network of 1 class, or its name in a registry.", metavar="RUN")
    image: Path = setting("One photograph, or one frame of a video.", metavar="FILE")
    mask: Path = setting("Its mask, of the same size: 0, and 255 for person.", metavar="FILE")
    out: Path = setting("The run folder to make.", metavar="RUN2")
    steps: int = setting("So many steps, each on four variants of the photograph.", default=100, metavar="N")
    learning_rate: float = setting("The learning rate.", default=1e-3)

    def __post_init__(self) -> None:
        """Refuse numbers that can do nothing."""
        if self.steps < 1:
            raise click.UsageError(f"--steps {self.steps} trains nothing; give 1 or more")
        if not 0 < self.learning_rate < math.inf:
            raise click.UsageError(f"--learning-rate {self.learning_rate:g} is not above 0")


def tune(settings: TuneFlags, *, run: RunOptions) -> Result:
    """Train a model a little more on one labelled photograph, and leave a run folder that predicts as any other.

    For the other frames of a video, or the other photographs of a session: the same person, clothes, light and place.
    Elsewhere the tuned model may be worse than the one it came from. The same command again does nothing.

    \b
    Example:  curate tune --model runs/unet --image 00000.jpg --mask 00000.png --out runs/dance
    """
    from models.training.processes import device_of
    from models.training.settings import TrainingOptions
    from models.training.transfer.tune import TuneSettings, plan_tuning
    from models.training.transfer.tune import tune as tune_model

    asked = TuneSettings(
        model=settings.model,
        image=settings.image,
        mask=settings.mask,
        steps=settings.steps,
        learning_rate=settings.learning_rate,
        seed=run.seed,
        device=device_of(TrainingOptions(device=run.device)),
    )
    start = plan_tuning(asked)
    if run.dry_run:
        summary = f"{settings.out}: would hold {start.name} after {settings.steps} steps (dry run, nothing is written)"
        return Result(summary=summary, data={"command": "tune", "out": str(settings.out), "dry_run": True})
    with progress_bar("tune", total=settings.steps, run=run, unit="step") as show:
        metrics, is_new = tune_model(start, settings=asked, out=settings.out, overwrite=run.overwrite, told=show)
    lines = [
        f"{settings.out}: {metrics['network']} of {metrics['model']}, {metrics['steps']} steps on {metrics['image']}",
        f"  IoU of person on it: {metrics['iou_person_before']:.4f} before, {metrics['iou_person']:.4f} now",
        *([] if is_new else ["  it was tuned before; nothing was done"]),
        f"  measure it on other frames: curate evaluate --model {settings.out} --data D --out DIR",
    ]
    return Result.of(lines, {**metrics, "out": str(settings.out), "is_new": is_new})
