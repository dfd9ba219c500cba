"""`curate ablate`: what each part of a training is worth, over several seeds, in one table with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.command_line.options import Result, RunOptions, setting
from pipelines.loop.init import write_example

if TYPE_CHECKING:
    from pipelines.experiments.run_ablation import PlannedAblation


@dataclass(frozen=True, slots=True, kw_only=True)
class AblateFlags:
    """What to compare, and where the table goes."""

    config: Path = setting("A YAML file: a training, tests, seeds, and a grid or a list of arms.", metavar="FILE")
    out: Path | None = setting(
        "Folder for the trainings and the table.  [default: the name of FILE without its suffix]",
        default=None,
        metavar="DIR",
    )
    example: bool = setting("Only write a commented FILE to start from, with its schema beside it.", default=False)


def ablate(settings: AblateFlags, *, run: RunOptions) -> Result:
    """Train every arm with every seed, measure it on the tests, and compare each with the first one.

    Makes a run folder DIR/ARM-SEED for each training, and the table as ablation.html, .md, .csv and .json: mean and
    standard deviation over the seeds, and the change with its paired bootstrap interval over the test images. An arm
    that fails is reported in its row. The same command continues where it was stopped, and does nothing when all is
    done.

    \b
    Examples:
      curate ablate --config ablation.yaml --example
      curate ablate --config ablation.yaml --dry-run
    """
    from pipelines.experiments.ablation_config import read_ablation
    from pipelines.experiments.run_ablation import planned_ablation, run_ablation
    from pipelines.training.train import training_options

    if settings.example:
        return _example(settings.config, run=run)
    training_options(run)
    out = settings.out or settings.config.with_suffix("")
    planned = planned_ablation(read_ablation(settings.config), out=out, run=run)
    if run.dry_run:
        return _told(planned, run=run)
    return _result(run_ablation(planned, run=run), planned=planned)


def _example(file: Path, *, run: RunOptions) -> Result:
    from pipelines.experiments.ablation_config import EXAMPLE
    from pipelines.experiments.ablation_schema import ablation_schema
    from pipelines.loop.file_schemas import example_files

    files = example_files(EXAMPLE, schema=ablation_schema(), out=file)
    lines = [
        f"{write_example(files, out=file, run=run)}: an ablation to start from",
        "  name your data in it, then: curate ablate --config FILE --dry-run",
    ]
    return Result.of(lines, {"command": "ablate", "config": str(file)})


def _told(planned: PlannedAblation, *, run: RunOptions) -> Result:
    """Return the result of a dry run: what would be trained, and how far that is."""
    from pipelines.experiments.run_ablation import warnings_of
    from pipelines.experiments.trials import state_of

    arms: list[dict[str, Any]] = []
    lines = [f"{planned.out}: {len(planned.arms)} arms (dry run, nothing is written)"]
    for arm in planned.arms:
        states = {str(seed): "to do" if run.overwrite else state_of(one) for seed, one in arm.trials.items()}
        stages = " + ".join(str(number) for number in arm.samples)
        told = ", ".join(f"seed {seed} {state}" for seed, state in states.items())
        what = arm.problem or f"{stages} samples, {arm.steps:,} steps; {told}"
        lines.append(f"  {arm.recipe.name}: {what}")
        arms.append(
            {
                "name": arm.recipe.name,
                "changes": dict(arm.recipe.change),
                "samples": arm.samples,
                "steps": arm.steps,
                "seeds": states,
                "problem": arm.problem,
            }
        )
    tests = {one.name: len(one.rows) for one in planned.test}
    lines.append(f"  measured on {', '.join(f'{name} ({number})' for name, number in tests.items())}")
    data = {"command": "ablate", "dry_run": True, "out": str(planned.out), "test": tests, "arms": arms}
    has_failed = any(arm.problem for arm in planned.arms)
    return Result.of(lines, data, set_aside=has_failed, warnings=warnings_of(planned))


def _result(told: dict[str, Any], *, planned: PlannedAblation) -> Result:
    from pipelines.experiments.run_ablation import MARKDOWN, PAGE

    failed = [(arm["name"], seed, why) for arm in told["arms"] for seed, why in arm["problems"].items()]
    lines = [
        *told.pop("lines"),
        *(f"failed: {name}, seed {seed}: {why}" for name, seed, why in failed),
        f"look at it: {planned.out / PAGE}; to paste: {planned.out / MARKDOWN}",
    ]
    return Result.of(lines, told, set_aside=failed, warnings=told.pop("warnings"))
