"""What selections choose after a step of a simulation, from images, predictions, and the labels that they may see.

Where labels are hidden these are none, or those of teachers; where all are there, some of them wrong, these. The true
label of what is chosen from is never seen.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np

from curation.dataset.dataset import read_dataset
from curation.quarantine import BadRecord
from curation.storage.files import make_folder, read_file, write_durable
from labeling.findings import Findings
from labeling.selection.select import COVERING, Features, Strategy, select
from labeling.verdicts.judge_dataset import Judges, Views, judged, observe_alone
from models.evaluation.checked_model import CheckedModel
from models.evaluation.choose_sets import Model, identify
from models.evaluation.score_dataset import Part
from models.evaluation.score_files import ScoringPlace
from pipelines.command_line.options import RunOptions
from pipelines.command_line.progress import tell
from pipelines.experiments.simulation_pool import key_of
from pipelines.experiments.simulation_steps import LABELS, MODEL, RANDOM, Simulation, Step
from pipelines.labels.features import own_features
from pipelines.labels.scored import scored

SCORED: Final = "pool"
Rows: TypeAlias = Sequence[Mapping[str, Any]]


def next_labels(
    step: Step, *, strategies: Sequence[Strategy], simulation: Simulation, run: RunOptions
) -> dict[Strategy, list[str]]:
    """Return what each strategy labels after a step; what was chosen before is kept."""
    key = key_of(sorted(step.labelled))
    make_folder(step.folder)
    files = {strategy: step.folder / f"next-{strategy}.json" for strategy in strategies}
    known = {} if run.overwrite else {one: ids for one, file in files.items() if (ids := _read_choice(file, key=key))}
    missing = [strategy for strategy in strategies if strategy not in known]
    for strategy, ids in chosen_by(missing, step=step, simulation=simulation, run=run).items():
        write_durable(files[strategy], msgspec.json.encode({"labelled": key, "ids": ids}) + b"\n")
        known[strategy] = ids
    if (step.folder / SCORED).exists():
        shutil.rmtree(step.folder / SCORED)  # the predictions are as large as the pool
    return known


def chosen_by(
    strategies: Sequence[Strategy], *, step: Step, simulation: Simulation, run: RunOptions
) -> dict[Strategy, list[str]]:
    """Return the ids that each strategy labels next; what the model says of the images is computed once for all."""
    known = set(step.labelled)
    rows: Rows = [{"id": id_} for id_ in simulation.pool.ids if id_ not in known]
    told: Rows = []
    features = None
    if asking := [strategy for strategy in strategies if strategy != RANDOM]:
        shown = _Shown.at(step, simulation=simulation)
        told = _scored(shown, step=step, run=run, asked=asking)
        if COVERING & set(asking):
            features = _features(told, shown=shown, step=step, simulation=simulation, run=run)
    return {
        strategy: select(
            rows if strategy == RANDOM else told,
            strategy=strategy,
            budget=simulation.budget,
            rng=np.random.default_rng([step.seed, len(step.labelled)]),
            features=features if strategy in COVERING else None,
        )
        for strategy in strategies
    }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Shown:
    """The images to choose from at a step with the labels that may be seen, the step's model, the folder for what it
    says of them, and where predictions of teachers lie that judge labels."""

    parts: Sequence[Part]
    model: Model
    folder: Path
    views: Sequence[Views]

    @classmethod
    def at(cls, step: Step, *, simulation: Simulation) -> _Shown:
        out, taught = step.folder / SCORED, simulation.taught
        views: list[Views] = []
        if simulation.wrong is not None:
            parts = _labelled(step.folder / LABELS, but=step.labelled, out=out)
            views = [_view(folder) for folder in (taught.predictions if taught else ())]
        elif taught is not None and taught.labels is not None:
            parts = _labelled(taught.labels, but=step.labelled, out=out)
        else:
            parts = simulation.pool.hidden(step.labelled, out=out)
        return cls(parts=parts, model=identify(step.folder / MODEL), folder=out, views=views)


def _labelled(dataset: Path, *, but: Collection[str], out: Path) -> list[Part]:
    known = set(but)
    rows = [row for row in read_dataset(dataset).table.to_pylist() if row["id"] not in known]
    place = ScoringPlace(dataset=dataset, name=dataset.name, out=out, with_alpha=False)
    return [Part(rows=rows, place=place)] if rows else []


def _view(folder: Path) -> Views:
    return lambda id_: folder / f"{id_}.png"


def _scored(shown: _Shown, *, step: Step, run: RunOptions, asked: Sequence[Strategy]) -> Rows:
    """Return what the model of a step says of the images, with views and verdicts where a strategy asks for them."""
    if not shown.parts:
        return []
    with_views, with_verdicts = "views" in asked, "verdict" in asked
    predict = CheckedModel(shown.model, options=replace(run.predicting, with_scales=with_views))
    observe = observe_alone if with_verdicts else None
    parts = [Part(rows=part.rows, place=replace(part.place, observe=observe)) for part in shown.parts]
    work = f"{shown.model.sha256[:16]}{'-views' * with_views}{'-verdicts' * with_verdicts}"
    found = scored(parts, model=predict, run=run, name=f"{step.name}, pool", work=work)
    if not with_verdicts:
        return list[Mapping[str, Any]](found.table.to_pylist())
    rows = {row["id"]: (part.place.dataset, row) for part in parts for row in part.rows}
    verdicts = judged(
        found.scores,
        samples=[rows[id_] for id_ in found.table["id"].to_pylist()],
        judges=Judges(
            views=shown.views,
            teacher=shown.views[0] if shown.views else None,
            learned=lambda _: True,  # where labels are judged, the model of the step learned them
        ),
        staging=shown.folder,
        workers=run.workers,
    )
    return list[Mapping[str, Any]](verdicts.scores.whole().to_pylist())


def _features(rows: Rows, *, shown: _Shown, step: Step, simulation: Simulation, run: RunOptions) -> Features:
    """Return what the first teacher makes of images, or without one the model of the step."""
    if simulation.taught is not None and simulation.taught.features is not None:
        places_in_pool = {id_: number for number, id_ in enumerate(simulation.pool.ids)}
        return simulation.taught.features[[places_in_pool[row["id"]] for row in rows]]
    places = {row["id"]: (part.place.dataset, str(row["image"])) for part in shown.parts for row in part.rows}
    return own_features(
        rows,
        place=lambda row: places[row["id"]],
        findings=Findings(folder=shown.folder, rows={}, model=step.name, source=shown.model),
        run=run,
        warn=lambda reason: tell(f"warning: {reason}", run=replace(run, quiet=False)),
    )


def _read_choice(file: Path, *, key: str) -> list[str] | None:
    """Return a choice that was made with these very labels, None without one."""
    try:
        found = msgspec.json.decode(read_file(file))
        ids: Collection[str] = found["ids"] if found["labelled"] == key else ()
    except (BadRecord, msgspec.DecodeError, KeyError, TypeError):
        return None
    return list(ids) or None
