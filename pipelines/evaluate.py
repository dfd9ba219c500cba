"""`curate evaluate`: how good a model is on data sets, where it is weak, and whether it beats another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from curation.card import QUARANTINE
from models.evaluation_sets import SplitChoice
from models.scores import SCORES
from models.scoring import Precision
from models.slices import SLICES, SliceName
from pipelines.options import DONE_WITH_QUARANTINE, Result, RunOptions, setting

if TYPE_CHECKING:
    from pipelines.evaluating import Evaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateFlags:
    """What to evaluate, on what, and what to leave behind."""

    model: Path = setting("The model: a run folder of `curate train`, or an ONNX file with its card beside it.")
    data: tuple[Path, ...] = setting("Data sets to evaluate on; may be repeated.", metavar="D...")
    out: Path = setting("Folder for scores, predictions, metrics and pictures.", metavar="DIR")
    baseline: Path | None = setting("Another model, to be compared on the same images.", default=None, metavar="M2")
    split: tuple[SplitChoice, ...] = setting(
        "Evaluate the samples of this split; one for all data sets, or one for each.  [default: all]", default=()
    )
    where: str | None = setting("Evaluate only rows for which this pandas query holds.", default=None, metavar="QUERY")
    badcases: int = setting("Draw the worst N samples of each data set.", default=20, metavar="N")
    slices: tuple[SliceName, ...] = setting("Slices to look at; may be repeated.  [default: all]", default=())
    precision: Precision = setting(
        "Fast predicts in bfloat16 where the processor can, and again in fp32 what comes near an mIoU of 0.8.",
        default="fp32",
    )
    with_flips: bool = setting(
        "Predict each image and its mirror image, and take the mean; view_disagreement tells how far they differ.",
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
    goes on where it was stopped, and does nothing when it is done.

    \b
    Example:  curate evaluate --model runs/unet --data data/test --baseline sinet.onnx --out results
    """
    from models.evaluation_folder import evaluating_in, finished_metrics, write_metrics
    from pipelines.evaluating import checked_models, evaluated

    evaluation = _planned(settings, run=run)
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


def _planned(settings: EvaluateFlags, *, run: RunOptions) -> Evaluation:
    from models.evaluation_sets import Choice, choose_sets, identify
    from pipelines.evaluating import Evaluation

    choice = Choice(splits=settings.split or ("all",), query=settings.where, limit=run.limit)
    return Evaluation(
        model=identify(settings.model),
        baseline=None if settings.baseline is None else identify(settings.baseline),
        sets=choose_sets(settings.data, choice=choice),
        out=settings.out,
        precision=settings.precision,
        with_flips=settings.with_flips,
        slices=settings.slices or SLICES,
        badcases=settings.badcases,
        keeps_predictions=not settings.no_predictions,
        choice=choice,
        run=run,
    )


def _told(evaluation: Evaluation) -> Result:
    """Give the result of a dry run."""
    sets = {one.name: {"samples": len(one.rows), "filtered": one.filtered} for one in evaluation.sets}
    data = {"command": "evaluate", "out": str(evaluation.out), "dry_run": True, "sets": sets}
    lines = [f"{evaluation.out}: would hold scores of {evaluation.model.name} (dry run, nothing is written)"]
    for one in evaluation.sets:
        left_out = ", ".join(f"{reason} {number}" for reason, number in one.filtered.items())
        lines.append(f"  {one.name}: {len(one.rows)} samples{f'; left out: {left_out}' if left_out else ''}")
    return Result(summary="\n".join(lines), data=data, warnings=_warnings(evaluation))


def _result(metrics: dict[str, Any], *, evaluation: Evaluation, is_new: bool) -> Result:
    from reports.evaluation import evaluation_lines

    out, entries = evaluation.out, metrics["sets"].values()
    lines = evaluation_lines(metrics, out=str(out))
    if not is_new:
        lines.append("  nothing to do: this was evaluated before; --overwrite does it again")
    lines.append(
        f"  all numbers: {out / 'metrics.json'}; each sample: {evaluation.folder(evaluation.sets[0]) / SCORES}"
    )
    if evaluation.badcases:
        lines.append(f"  the worst:   {evaluation.folder(evaluation.sets[0]) / 'badcases'}")
    broken = sum(sum(entry["counts"]["quarantined"].values()) for entry in entries)
    not_finite = metrics["all"]["summary"]["not_finite"]
    if broken or not_finite:
        reason = f"{broken} samples are broken and {not_finite} predictions are not finite"
        lines.append(f"  {reason}; each with its reason: {QUARANTINE} beside the scores")
    return Result(
        summary="\n".join(lines),
        data=metrics | {"out": str(out), "is_new": is_new},
        exit_code=DONE_WITH_QUARANTINE if broken or not_finite else 0,
        warnings=_warnings(evaluation),
    )


def _warnings(evaluation: Evaluation) -> tuple[str, ...]:
    """Say where a number could mislead."""
    warnings = []
    rows = [row for one in evaluation.sets for row in one.rows]
    seen = sum(row["split"] == "train" for row in rows)
    if seen:
        told = "a model that was trained on them looks better than it is; --split test leaves them out"
        warnings.append(f"{seen} of the {len(rows)} samples are of the split train: {told}")
    if evaluation.baseline is not None and evaluation.precision == "fast":
        # measured on 200 real portraits with two networks: 0.0009 and 0.0012
        told = "bfloat16 moves a mean mIoU by about 0.001; compare models in fp32 when they are as close as that"
        warnings.append(told)
    return tuple(warnings)
