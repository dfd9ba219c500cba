"""`curate evaluate`: how good a model is on data sets, where it is weak, and whether it beats another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from curation.dataset.card import QUARANTINE
from curation.dataset.label_sources import LABEL_SOURCE, counted_sources
from models.evaluation.choose_sets import SplitChoice
from models.evaluation.score_files import Precision
from models.evaluation.score_table import SCORES
from models.evaluation.slices import SLICES, SliceName
from pipelines.command_line.options import Result, RunOptions, setting

if TYPE_CHECKING:
    from pipelines.evaluation.evaluate_models import Evaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateFlags:
    """What to evaluate, on what, and what to leave behind."""

    model: Path = setting(
        "The model: a run folder of `curate train`, or an ONNX, TFLite or TensorFlow model with its card beside it."
    )
    data: tuple[Path, ...] = setting("Data sets to evaluate on; may be repeated.", metavar="D...")
    out: Path = setting("Folder for scores, predictions, metrics and pictures.", metavar="DIR")
    baseline: Path | None = setting("Another model, to be compared on the same images.", default=None, metavar="M2")
    split: tuple[SplitChoice, ...] = setting(
        "Evaluate the samples of this split; one for all data sets, or one for each.  [default: all]", default=()
    )
    where: str | None = setting("Evaluate only rows for which this pandas query holds.", default=None, metavar="QUERY")
    badcases: int = setting("Draw the N worst samples of each data set.", default=20, metavar="N")
    slices: tuple[SliceName, ...] = setting("Slices to look at; may be repeated.  [default: all]", default=())
    precision: Precision = setting(
        "Fast predicts in bfloat16 where the processor can, and again in fp32 what comes near an mIoU of 0.8.",
        default="fp32",
    )
    edge: Literal["none", "guided", "matting"] = setting(
        "Score the prediction of --model as it is, or the alpha that `curate cutout` makes of it with this edge; the "
        "baseline stays as it is, so that --baseline of the same model tells what an edge brings.",
        default="none",
    )
    with_flips: bool = setting(
        "Predict each image and its mirror image, and take the mean; view_disagreement is how far they differ.",
        default=False,
    )
    no_predictions: bool = setting("Do not keep the predicted masks.", default=False)

    def __post_init__(self) -> None:
        """Refuse a number that can do nothing."""
        if self.badcases < 0:
            raise click.UsageError(f"--badcases {self.badcases} is negative; give 0 or more")
        if len(self.split) > 1 and len(self.split) != len(self.data):
            told = f"{len(self.split)} --split for {len(self.data)} data sets"
            raise click.UsageError(f"{told}; give one for all, or one for each")


def evaluate(settings: EvaluateFlags, *, run: RunOptions) -> Result:
    """Score every sample of data sets with a model.

    Writes scores.parquet (one row per sample), predictions/<id>.png (8-bit probability of person), badcases/ (pictures
    of the worst), and metrics.json. With several data sets the first three lie in a folder for each. The same command
    continues where it was stopped, and does nothing when it is done.

    \b
    Example:  curate evaluate --model runs/unet --data data/test --baseline sinet.onnx --out results
    """
    from models.evaluation.evaluation_folder import evaluating_in, finished_metrics, write_metrics
    from pipelines.evaluation.evaluate_models import checked_models, evaluated

    evaluation = planned(settings, run=run)
    if run.dry_run:
        checked_models(evaluation)
        return _told(evaluation)
    out = settings.out
    metrics = None if run.overwrite else finished_metrics(out, run=evaluation.id)
    is_new = metrics is None
    if metrics is None:
        models = checked_models(evaluation)  # before the folder is taken: a card that is corrected makes another run
        with evaluating_in(out, run=evaluation.id, overwrite=run.overwrite) as work:
            metrics = evaluated(evaluation, models=models, work=work)
            write_metrics(out, metrics=metrics)
    return _result(metrics, evaluation=evaluation, is_new=is_new)


def planned(settings: EvaluateFlags, *, run: RunOptions) -> Evaluation:
    """Return what will be evaluated, on which samples; raises InputRefused where that is nothing."""
    from models.evaluation.choose_sets import SetChoice, choose_sets, identify
    from pipelines.evaluation.evaluate_models import Evaluation

    choice = SetChoice(splits=settings.split or ("all",), query=settings.where, limit=run.limit)
    return Evaluation(
        model=identify(settings.model),
        baseline=None if settings.baseline is None else identify(settings.baseline),
        sets=choose_sets(settings.data, choice=choice),
        out=settings.out,
        precision=settings.precision,
        edge=settings.edge,
        with_flips=settings.with_flips,
        slices=settings.slices or SLICES,
        badcases=settings.badcases,
        keeps_predictions=not settings.no_predictions,
        choice=choice,
        run=run,
    )


def _told(evaluation: Evaluation) -> Result:
    """Return the result of a dry run."""
    sets = {one.name: {"samples": len(one.rows), "filtered": one.filtered} for one in evaluation.sets}
    data = {"command": "evaluate", "out": str(evaluation.out), "dry_run": True, "sets": sets}
    lines = [f"{evaluation.out}: would hold scores of {evaluation.model.name} (dry run, nothing is written)"]
    for one in evaluation.sets:
        left_out = ", ".join(f"{reason} {number}" for reason, number in one.filtered.items())
        lines.append(f"  {one.name}: {len(one.rows)} samples{f'; left out: {left_out}' if left_out else ''}")
    return Result.of(lines, data, warnings=_warnings(evaluation))


def _result(metrics: dict[str, Any], *, evaluation: Evaluation, is_new: bool) -> Result:
    from reports.rounds.evaluation_table import evaluation_lines

    out, entries = evaluation.out, metrics["sets"].values()
    lines = evaluation_lines(metrics, out=str(out))
    for one in evaluation.sets:
        if (facts := metrics["sets"][one.name].get("classes")) is not None:
            from pipelines.evaluation.evaluate_classes import class_lines  # imports torch, as few models need

            lines += class_lines(one.name, facts=facts, out=evaluation.folder(one))
    if not is_new:
        lines.append("  nothing to do: this was evaluated before; --overwrite does it again")
    lines.append(
        f"  all numbers: {out / 'metrics.json'}; each sample: {evaluation.folder(evaluation.sets[0]) / SCORES}"
    )
    if evaluation.badcases:
        lines.append(f"  the worst:   {evaluation.folder(evaluation.sets[0]) / 'badcases'}")
    broken = sum(sum(entry["counts"]["quarantined"].values()) for entry in entries)
    broken += sum(entry["classes"]["broken"] for entry in entries if "classes" in entry)
    not_finite = metrics["all"]["summary"]["not_finite"]
    if broken or not_finite:
        reason = f"{broken} samples are broken and {not_finite} predictions are not finite"
        lines.append(f"  {reason}; each with its reason: {QUARANTINE} beside the scores")
    return Result.of(
        lines,
        metrics | {"out": str(out), "is_new": is_new},
        set_aside=broken or not_finite,
        warnings=_warnings(evaluation),
    )


def _warnings(evaluation: Evaluation) -> tuple[str, ...]:
    """Say where a number could mislead."""
    warnings = []
    samples = seen = by_models = 0
    for table in (table for one in evaluation.sets for table in one.rows.batches(["split", "mask", LABEL_SOURCE])):
        samples += table.num_rows
        seen += table["split"].to_pylist().count("train")
        by_models += sum(counted_sources(table).values())
    if seen:
        told = "a model that was trained on them looks better than it is; --split test leaves them out"
        warnings.append(f"{seen} of the {samples} samples are of the split train: {told}")
    if by_models:
        told = "that measures how alike two models are; `curate label push` has people look at them"
        warnings.append(f"the labels of {by_models} of the {samples} samples were made by models: {told}")
    if evaluation.baseline is not None and evaluation.precision == "fast":
        # measured on 200 real portraits with two networks: 0.0009 and 0.0012
        told = "bfloat16 moves a mean mIoU by about 0.001; compare models in fp32 when they are as close as that"
        warnings.append(told)
    return tuple(warnings)
