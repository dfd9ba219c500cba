"""`curate ablate`: what each part of a training is worth, over several seeds, in one table with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.init import write_example
from pipelines.options import DONE_WITH_QUARANTINE, Result, RunOptions, setting

if TYPE_CHECKING:
    from pipelines.ablation import PlannedAblation


@dataclass(frozen=True, slots=True, kw_only=True)
class AblateFlags:
    """What to compare, and where the table goes."""

    config: Path = setting("A YAML file: a training, tests, seeds, and a grid or a list of arms.", metavar="FILE")
    out: Path | None = setting(
        "Folder for the trainings and the table.  [default: the name of FILE without its ending]",
        default=None,
        metavar="DIR",
    )
    example: bool = setting("Write a commented FILE to start from, and do no more.", default=False)


def ablate(settings: AblateFlags, *, run: RunOptions) -> Result:
    """Train every arm with every seed, measure it on the tests, and compare each with the first one.

    Leaves a run folder DIR/ARM-SEED for each training, and the table as ablation.html, .md, .csv and .json: mean and
    standard deviation over the seeds, and the change with its paired bootstrap interval over the test images. An arm
    that fails is told in its row. The same command goes on where it was stopped, and does nothing when it is done.

    \b
    Examples:
      curate ablate --config ablation.yaml --example
      curate ablate --config ablation.yaml --dry-run
    """
    from pipelines.ablation import planned_ablation, run_ablation
    from pipelines.ablation_config import read_ablation
    from pipelines.train import training_options

    if settings.example:
        return _example(settings.config, run=run)
    training_options(run)
    out = settings.out or settings.config.with_suffix("")
    planned = planned_ablation(read_ablation(settings.config), out=out, run=run)
    if run.dry_run:
        return _told(planned, run=run)
    return _result(run_ablation(planned, run=run), planned=planned)


def _example(file: Path, *, run: RunOptions) -> Result:
    from pipelines.ablation_config import EXAMPLE

    lines = [
        f"{write_example(EXAMPLE, out=file, run=run)}: an ablation to start from",
        "  name your data in it, then: curate ablate --config FILE --dry-run",
    ]
    return Result(summary="\n".join(lines), data={"command": "ablate", "config": str(file)})


def _told(planned: PlannedAblation, *, run: RunOptions) -> Result:
    """Give the result of a dry run: what would be trained, and how far that is."""
    from pipelines.ablation import warnings_of
    from pipelines.trials import state_of

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
    return Result(
        summary="\n".join(lines),
        data=data,
        exit_code=DONE_WITH_QUARANTINE if has_failed else 0,
        warnings=tuple(warnings_of(planned)),
    )


def _result(told: dict[str, Any], *, planned: PlannedAblation) -> Result:
    from pipelines.ablation import MARKDOWN, PAGE

    failed = [(arm["name"], seed, why) for arm in told["arms"] for seed, why in arm["problems"].items()]
    lines = [
        *told.pop("lines"),
        *(f"failed: {name}, seed {seed}: {why}" for name, seed, why in failed),
        f"look at it: {planned.out / PAGE}; to paste: {planned.out / MARKDOWN}",
    ]
    return Result(
        summary="\n".join(lines),
        data=told,
        exit_code=DONE_WITH_QUARANTINE if failed else 0,
        warnings=tuple(told.pop("warnings")),
    )
