"""The work of `curate ablate`: every arm with every seed trained and measured, and the table that comes of it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from curation.dataset.dataset import read_dataset
from curation.errors import ConfigurationProblem, InputRefused
from curation.storage.claimed_folder import lock_file, refuse_foreign
from curation.storage.files import make_folder, write_durable
from curation.storage.lock import exclusive
from models.data.choose_samples import LabelledImage
from models.evaluation.choose_sets import EvaluationSet, SetChoice, choose_sets
from models.registry.registry import pinned_weights
from pipelines.command_line.options import RunOptions
from pipelines.evaluation.leaks import shared_samples
from pipelines.experiments.ablation_config import Ablation, Recipe
from pipelines.experiments.trials import FAILURES, Trial, planned_training, run_trial
from reports.experiments.ablation_page import AblationReport, ArmFacts, TestFacts, write_ablation_page
from reports.experiments.ablation_table import (
    ArmScores,
    aligned,
    csv_text,
    markdown_text,
    row_data,
    rows_of,
    table_cells,
)
from reports.page.templates import refuse_other_page

if TYPE_CHECKING:
    from models.training.train import TrainingPlan

CONFIG: Final = "ablation.yaml"
"""A copy of the configuration; by it the folder is known for an ablation."""
JSON, CSV, MARKDOWN, PAGE = "ablation.json", "ablation.csv", "ablation.md", "ablation.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedArm:
    """An arm before the first step: its trainings by seed, or why it cannot be trained."""

    recipe: Recipe
    trials: Mapping[int, Trial]
    problem: str = ""

    @property
    def samples(self) -> list[int]:
        """How many samples train in each stage."""
        first = next(iter(self.trials.values()), None)
        return [] if first is None else [len(chosen.training) for chosen in first.plan.chosen]

    @property
    def steps(self) -> int | None:
        """The number of optimizer steps of one training; None where it cannot be trained."""
        first = next(iter(self.trials.values()), None)
        return None if first is None else first.steps


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedAblation:
    """All arms, and the sets that they are measured on."""

    ablation: Ablation
    arms: Sequence[PlannedArm]
    test: Sequence[EvaluationSet]
    out: Path


def planned_ablation(ablation: Ablation, *, out: Path, run: RunOptions) -> PlannedAblation:
    """Choose the samples of every arm and of the tests; arms with data that cannot train carry their problem.

    Raises ConfigurationProblem for settings that cannot train, InputRefused for tests that cannot measure.
    """
    splits = tuple(one.split for one in ablation.test)
    folders = [Path(one.data) for one in ablation.test]
    test = choose_sets(folders, choice=SetChoice(splits=splits, query=None, limit=run.limit))
    arms = [_planned_arm(recipe, ablation=ablation, test=test, out=out, run=run) for recipe in ablation.recipes]
    return PlannedAblation(ablation=ablation, arms=arms, test=test, out=out)


def run_ablation(planned: PlannedAblation, *, run: RunOptions) -> dict[str, Any]:
    """Train and measure what is still to be done, write the table in its forms, and give `ablation.json`, with
    the table as `lines` of text.

    Raises InputRefused when the folder holds something else, EnvironmentProblem when another run is in it.
    """
    out = planned.out
    _refuse_foreign(out)
    with exclusive(lock_file(out)):
        write_durable(out / CONFIG, planned.ablation.source.text)
        arms = [_measured(arm, seeds=planned.ablation.seeds, run=run) for arm in planned.arms]
        rows = rows_of(arms, seed=run.seed)
        warnings = warnings_of(planned)
        facts = [
            ArmFacts(row=row, change=arm.recipe.change, samples=arm.samples, steps=arm.steps)
            for row, arm in zip(rows, planned.arms, strict=True)
        ]
        told = _told(planned, facts=facts, warnings=warnings)
        write_durable(out / CSV, csv_text(rows))
        write_durable(out / MARKDOWN, markdown_text(rows))
        write_ablation_page(_report(planned, facts=facts, warnings=warnings), out=out / PAGE)
        write_durable(out / JSON, msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n")
    return told | {"lines": aligned(*table_cells(rows))}


def warnings_of(planned: PlannedAblation) -> list[str]:
    """Say where a comparison could mislead."""
    warnings = []
    steps = {arm.steps for arm in planned.arms if arm.steps is not None}
    if len(steps) > 1:
        warnings.append(
            f"the arms take different numbers of steps ({min(steps):,} to {max(steps):,}): a longer training alone can "
            "be what gains; change epochs or accumulate so that they are equal"
        )
    seen: dict[bytes, str] = {}
    for arm in planned.arms:
        key = msgspec.json.encode(arm.recipe.settings, order="deterministic")
        if (other := seen.setdefault(key, arm.recipe.name)) != arm.recipe.name:
            warnings.append(f"the arms {other!r} and {arm.recipe.name!r} have the same settings")
    return warnings


def _planned_arm(
    recipe: Recipe, *, ablation: Ablation, test: Sequence[EvaluationSet], out: Path, run: RunOptions
) -> PlannedArm:
    settings = recipe.settings if run.limit is None else msgspec.structs.replace(recipe.settings, limit=run.limit)
    try:
        plan = planned_training(msgspec.structs.replace(settings, weights=pinned_weights(settings.weights)))
        _refuse_shared(plan, test=test)
    except InputRefused as error:
        return PlannedArm(recipe=recipe, trials={}, problem=error.cause)
    except ConfigurationProblem as error:
        reason = f"arm {recipe.name!r}: {error.reason}"
        raise ConfigurationProblem(reason, where=ablation.source.where, remedy=error.remedy) from error
    trials = {
        seed: Trial(
            plan=replace(plan, settings=msgspec.structs.replace(plan.settings, seed=seed)),
            out=out / f"{recipe.folder}-{seed}",
            test=ablation.test,
            name=f"{recipe.name}, seed {seed}",
        )
        for seed in ablation.seeds
    }
    return PlannedArm(recipe=recipe, trials=trials)


def _refuse_shared(plan: TrainingPlan, *, test: Sequence[EvaluationSet]) -> None:
    names = {name for stage in plan.settings.stages if stage.kind == "segmentation" for name in stage.data}
    samples = [sample for chosen in plan.chosen for sample in chosen.training if isinstance(sample, LabelledImage)]
    files = {(sample.folder, sample.image) for sample in samples}
    training = [read_dataset(Path(name)) for name in sorted(names)]
    shared = shared_samples(training, files=files, test=test)
    if shared:
        raise InputRefused(
            f"{len(shared)} samples that train share a photograph or a group with the test sets, e.g. {shared[0]}",
            remedy="leave them out with `where`",
        )


def _measured(arm: PlannedArm, *, seeds: Sequence[int], run: RunOptions) -> ArmScores:
    """Train and measure an arm with every seed; a failure is recorded, and does not stop the others."""
    scores, problems = {}, dict.fromkeys(seeds, arm.problem) if arm.problem else {}
    for seed, trial in arm.trials.items():
        try:
            scores[seed] = run_trial(trial, run=run)
        except FAILURES as error:
            problems[seed] = error.cause
    return ArmScores(name=arm.recipe.name, scores=scores, problems=problems)


def _told(planned: PlannedAblation, *, facts: Sequence[ArmFacts], warnings: Sequence[str]) -> dict[str, Any]:
    return {
        "command": "ablate",
        "out": str(planned.out),
        "seeds": list(planned.ablation.seeds),
        "test": {one.name: {"images": one.images, "manifest_sha256": one.manifest_sha256} for one in _tests(planned)},
        "arms": [
            {
                **row_data(arm.row),
                "folders": [trial.out.name for trial in own.trials.values()],
                "samples": list(arm.samples),
                "steps": arm.steps,
                "changes": dict(arm.change),
            }
            for arm, own in zip(facts, planned.arms, strict=True)
        ],
        "warnings": list(warnings),
    }


def _report(planned: PlannedAblation, *, facts: Sequence[ArmFacts], warnings: Sequence[str]) -> AblationReport:
    where = planned.ablation.source.where
    return AblationReport(
        title=f"Ablation {where.stem}",
        arms=facts,
        test=_tests(planned),
        seeds=planned.ablation.seeds,
        warnings=warnings,
        command=shlex.join(["curate", "ablate", "--config", str(where), "--out", str(planned.out)]),
    )


def _tests(planned: PlannedAblation) -> list[TestFacts]:
    return [
        TestFacts(name=one.name, images=len(one.rows), manifest_sha256=one.dataset.card.manifest_sha256)
        for one in planned.test
    ]


def _refuse_foreign(out: Path) -> None:
    make_folder(out)
    refuse_foreign(out, kind="ablation", is_ours=(out / CONFIG).is_file())
    refuse_other_page(out / PAGE)
