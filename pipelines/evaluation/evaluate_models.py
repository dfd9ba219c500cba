"""The work of `curate evaluate`: every data set scored, compared and drawn, and what stands in `metrics.json`."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from curation.dataset.card import tool_version
from curation.dataset.chosen_rows import ChosenRows
from curation.images.pixels import Image, Probability
from curation.labels.masks import PERSON_FROM
from curation.matting.pymatting_door import compile_once
from curation.storage.files import make_folder
from models.evaluation.checked_model import CheckedModel
from models.evaluation.choose_sets import EvaluationSet, Model, SetChoice, run_id
from models.evaluation.score_dataset import DatasetScores, ScoreOptions, Work, score_dataset
from models.evaluation.score_files import Precision, Refine, ScoringPlace
from models.evaluation.score_table import PREDICTIONS, StoredScores, scores_by_name, together
from models.evaluation.slices import SliceName, slice_meanings
from models.evaluation.summaries import compare, describe
from models.metrics.summary import HARD_BELOW
from models.prediction.checks.real_pictures import samples_of
from models.prediction.edges import Edge, Predicted, edged_alpha, refuse_edge
from models.prediction.predict_files import FilePrediction
from models.prediction.ready_model import ReadyModel
from pipelines.command_line.options import RunOptions
from pipelines.command_line.progress import progress_bar
from reports.rounds.badcases import write_badcases

BASELINE: Final = "baseline"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """A model, and another to compare it with, on the samples of data sets; and what to leave behind in `out`."""

    model: Model
    baseline: Model | None
    sets: Sequence[EvaluationSet]
    out: Path
    precision: Precision
    edge: Edge
    with_flips: bool
    slices: tuple[SliceName, ...]
    badcases: int
    keeps_predictions: bool
    choice: SetChoice
    run: RunOptions

    @property
    def id(self) -> str:
        """What the result depends on, as 16 hexadecimal digits."""
        decisive = {
            "precision": self.precision,
            "with_flips": self.with_flips,
            "slices": self.slices,
            "badcases": self.badcases,
            "keeps_predictions": self.keeps_predictions,
            "seed": self.run.seed,
        } | ({} if self.edge == "none" else {"edge": self.edge})
        models = [model for model in (self.model, self.baseline) if model is not None]
        return run_id(models, sets=self.sets, settings=decisive)

    def folder(self, one: EvaluationSet) -> Path:
        """Return where the scores of a data set go: with one set, into the folder itself."""
        return self.out if len(self.sets) == 1 else self.out / one.name


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Models:
    """The models of an evaluation, checked."""

    first: CheckedModel
    baseline: CheckedModel | None


def checked_models(evaluation: Evaluation) -> Models:
    """Return the models, each on its engine; a dry run looks at no sample. Raises what refuses a model."""
    return Models(
        first=_checked(evaluation.model, evaluation=evaluation),
        baseline=None if evaluation.baseline is None else _checked(evaluation.baseline, evaluation=evaluation),
    )


def evaluated(evaluation: Evaluation, *, models: Models, work: Path) -> dict[str, Any]:
    """Score all sets, draw the worst samples, and return `metrics.json`; unfinished work lies in `work`."""
    model, baseline = models.first, models.baseline
    ours, theirs, entries, whole = [], [], {}, dict[str, Any]()
    for one in evaluation.sets:
        folder = evaluation.folder(one)
        scores = _score(one, model=model, out=folder, work=work, evaluation=evaluation)
        ours.append(scores.scores)
        if baseline is not None:
            others = _score(one, model=baseline, out=folder / BASELINE, work=work / BASELINE, evaluation=evaluation)
            theirs.append(others.scores)
        whole = _described(evaluation, model=ours[-1:], baseline=theirs[-1:])
        entries[one.name] = _counts(one, scores=scores) | whole
        if model.ready(evaluation.precision).card.class_names:
            from pipelines.evaluation.evaluate_classes import evaluated_classes  # imports torch, as few models need

            entries[one.name]["classes"] = evaluated_classes(
                one,
                model=model,
                out=folder,
                precision=evaluation.precision,
                keeps=evaluation.keeps_predictions,
                run=evaluation.run,
            )
        _draw_worst(evaluation, one=one, scores=scores.scores)
    if len(ours) > 1:
        whole = _described(evaluation, model=ours, baseline=theirs)
    if not evaluation.keeps_predictions:
        for folder in list(evaluation.out.rglob(PREDICTIONS)):
            shutil.rmtree(folder)
    engine = {"engine": model.engine(evaluation.precision)}
    return _head(evaluation) | engine | {"sets": entries, "all": whole}


def _head(evaluation: Evaluation) -> dict[str, Any]:
    meanings, choice = slice_meanings(), evaluation.choice
    return {
        "command": "evaluate",
        "run": evaluation.id,
        "tool_version": tool_version(),
        "model": asdict(evaluation.model),
        "baseline": None if evaluation.baseline is None else asdict(evaluation.baseline),
        "threshold": PERSON_FROM,
        "hard_below": HARD_BELOW,
        "precision": evaluation.precision,
        "edge": evaluation.edge,
        "with_flips": evaluation.with_flips,
        "seed": evaluation.run.seed,
        "choice": {"split": ", ".join(choice.splits), "where": choice.query, "limit": choice.limit},
        "slices": {name: meanings[name] for name in evaluation.slices},
    }


def _checked(model: Model, *, evaluation: Evaluation) -> CheckedModel:
    run = evaluation.run
    options = replace(run.predicting, with_flips=evaluation.with_flips)
    samples = [] if run.dry_run else samples_of((one.dataset.folder, one.rows) for one in evaluation.sets)
    checked = CheckedModel(model, options=options, samples=samples)
    ready = checked.ready(evaluation.precision)
    if ready.card.class_names:
        from models.evaluation.class_scores import refuse_other_names

        refuse_other_names([one.dataset for one in evaluation.sets], card=ready.card)
    if model is evaluation.model:
        refuse_edge(evaluation.edge, model=ready)
    return checked


def _score(one: EvaluationSet, *, model: CheckedModel, out: Path, work: Path, evaluation: Evaluation) -> DatasetScores:
    run = evaluation.run
    make_folder(out, below=evaluation.out)
    with progress_bar(f"{one.name}, {model.model.name}", total=len(one.rows), run=run) as show:
        return score_dataset(
            one.rows,
            place=ScoringPlace(
                dataset=one.dataset.folder, name=one.name, out=out, refine=_refining(evaluation, model=model)
            ),
            predict=model,
            work=Work(folder=work, run=evaluation.id),
            options=ScoreOptions(
                precision=evaluation.precision,
                limit=HARD_BELOW,
                workers=run.workers,
                max_quarantine=run.max_quarantine,
                progress=lambda done, _: show(done),
            ),
        )


def _refining(evaluation: Evaluation, *, model: CheckedModel) -> Refine | None:
    """Return what draws the edges of the model that is evaluated; None for those of the baseline, and for none."""
    if evaluation.edge == "none" or model.model is not evaluation.model:
        return None
    compile_once()
    return partial(_edged, model=model.ready(evaluation.precision), edge=evaluation.edge)


def _edged(image: Image, prediction: FilePrediction, *, model: ReadyModel, edge: Edge) -> Probability:
    assert prediction.probability is not None, "there is an edge where something was predicted"
    predicted = Predicted(probability=prediction.probability, background=prediction.background)
    alpha, _ = edged_alpha(image, predicted, model=model, edge=edge)
    return alpha.astype(np.float32) / np.float32(255)


def _counts(one: EvaluationSet, *, scores: DatasetScores) -> dict[str, Any]:
    considered = len(one.dataset)
    accounted = len(scores.scores) + sum(one.filtered.values()) + sum(scores.quarantined.values())
    assert considered == accounted, f"{considered} samples considered, but {accounted} accounted for"
    return {
        "dataset": str(one.dataset.folder),
        "manifest_sha256": one.dataset.card.manifest_sha256,
        "counts": {
            "considered": considered,
            "scored": len(scores.scores),
            "filtered": one.filtered,
            "quarantined": scores.quarantined,
        },
        "rechecked": int(scores_by_name(scores.scores, ["rechecked"])["rechecked"].sum()),
        "margin": scores.margin,
    }


def _described(
    evaluation: Evaluation, *, model: Sequence[StoredScores], baseline: Sequence[StoredScores]
) -> dict[str, Any]:
    """Return what the scores of some sets say, beside those of the baseline where there is one."""
    found = describe(together(model), slices=evaluation.slices)
    if not baseline:
        return found
    seed = evaluation.run.seed
    compared = compare(together(baseline), second=together(model), slices=evaluation.slices, seed=seed)
    return found | {"comparison": compared}


def _draw_worst(evaluation: Evaluation, *, one: EvaluationSet, scores: StoredScores) -> None:
    if evaluation.badcases:
        miou = scores_by_name(scores, ["miou"])["miou"]
        # a prediction that is not finite is the worst of all; of two that are alike the first by its id
        order = np.argsort(np.where(np.isnan(miou), -1.0, miou), kind="stable")[: evaluation.badcases]
        worst = ChosenRows(scores, order)[:]
        ids = {score["id"] for score in worst}
        rows = {row["id"]: row for row in one.rows.having(lambda some: [id_ in ids for id_ in some])}
        write_badcases(worst, rows=rows, dataset=one.dataset.folder, out=evaluation.folder(one))
