"""The work of `curate mine`: score, gather what other models say, judge, and make the dataset of hard cases.

Scores and predictions are made in a folder beside the dataset, `<out>.mining`, which a stopped run continues, and
which is gone when the dataset is whole.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.dataset.card import QUARANTINE
from curation.dataset.chosen_rows import ChosenRows
from curation.dataset.dataset import read_quarantine
from curation.dataset.label_sources import BETWEEN, LABEL_SOURCE
from curation.dataset.rows import InMemory, Rows, blocks_of
from curation.dataset.sample import Plan
from curation.quarantine import first_of_each
from curation.sequences import Mapped
from curation.storage.files import make_folder, named_file
from curation.storage.lock import exclusive
from labeling.verdicts.calibration import ENOUGH
from labeling.verdicts.hard_cases import Mined, plan_hard_cases
from labeling.verdicts.judge_dataset import Judges, Views, judged, observe_alone
from labeling.verdicts.verdict import VERDICTS
from models.data.class_maps import PREDICTED_CLASSES
from models.evaluation.checked_model import CheckedModel
from models.evaluation.score_dataset import Part, ScoreOptions, score_parts
from models.evaluation.score_table import PREDICTIONS, StoredScores, scores_by_name
from models.metrics.summary import HARD_BELOW
from models.prediction.checks.blind import refuse_blind
from models.prediction.find_model import find_model
from pipelines.command_line.options import Result, RunOptions
from pipelines.command_line.progress import progress_bar
from pipelines.labels.ask_teachers import described
from pipelines.mining.flags import TEACHERS, WRONG
from pipelines.mining.folds import predict_by_folds
from pipelines.mining.plan import Mining, plan_mining
from pipelines.sources.make_dataset import make_dataset

if TYPE_CHECKING:
    from pipelines.mining.flags import MineFlags


def mined(flags: MineFlags, *, run: RunOptions) -> Result:
    """Mine, or with a dry run tell what would be scored."""
    mining = plan_mining(flags, run=run)
    if run.dry_run:
        mining.check_models()
        return _told(mining)
    from curation.building.build_dataset import run_id
    from curation.building.output_folder import finished_card

    empty = _plan(mining, found=_nothing(mining))
    is_done = not run.overwrite and finished_card(flags.out, run=run_id(empty)) is not None
    if is_done:
        return _result(make_dataset(empty, out=flags.out, run=run), mining=mining)
    mining.check_models()  # before anything is made
    make_folder(mining.staging)
    with exclusive(mining.staging / "lock"):
        plan = _plan(mining, found=_found(mining))
        result = make_dataset(plan, out=flags.out, run=run)
    shutil.rmtree(mining.staging.parent)
    return _result(replace(result, warnings=(*result.warnings, *_warnings(mining))), mining=mining)


def _learned(mining: Mining) -> Callable[[Mapping[str, Any]], bool]:
    """Tell of which samples the model that is mined with learned the label, as far as splits tell: one of our own of
    those that train.
    """
    is_run = find_model(Path(mining.model.model.path)).is_run
    return lambda row: is_run and row["split"] == "train"


def _found(mining: Mining) -> Mined:
    """Score, judge and choose."""
    scores = _scored(mining, model=mining.model, out=mining.staging, is_main=True)
    views = [_other_views(mining, model=one, name=f"second-{index}") for index, one in enumerate(mining.second)]
    if mining.flags.folds:
        views.append(predict_by_folds(mining, work=mining.staging / "folds"))
    taught = [_taught(mining, index=index) for index in range(len(mining.teachers))]
    rows = mining.scored_rows(scores)
    found = judged(
        scores,
        samples=mining.samples(rows),
        judges=Judges(
            views=[*views, *(own for own, _ in taught)],
            teacher=taught[0][0] if taught else None,
            learned=_learned(mining),
        ),
        staging=mining.staging,
        workers=mining.run.workers,
    )
    hard = hard_ones(found.scores, flags=mining.flags)
    records = read_quarantine(mining.staging)
    named = {record.record_id for record in records}
    ids = (id_ for table in blocks_of(scores, ["id"]) for id_ in table["id"].to_pylist()) if named else ()
    scored = {id_ for id_ in ids if id_ in named}
    return Mined(
        scores=found.scores,
        places=rows.places,
        hard=hard,
        broken=first_of_each(record for record in records if record.record_id not in scored),
        remarks=[record for record in records if record.record_id in scored],
        filtered=mining.filtered,
        staging=mining.staging,
        class_names=_class_names(mining, hard=ChosenRows(rows.rows, rows.places[hard])),
        notes={TEACHERS: [told for _, told in taught], WRONG: found.wrong_share} if taught else {},
    )


def _scored(mining: Mining, *, model: CheckedModel, out: Path, is_main: bool) -> StoredScores:
    flags, run = mining.flags, mining.run
    observe = observe_alone if mining.rests_on_one_model else None  # else all are judged together, when all are there
    places = [replace(part.place, out=out, observe=observe) for part in mining.parts]
    parts = [Part(rows=part.rows, place=place) for part, place in zip(mining.parts, places, strict=True)]
    with progress_bar(f"mine, {model.model.name}", total=mining.number, run=run) as show:
        return score_parts(
            [part for part in parts if part.rows],
            predict=model,
            work=mining.work(model, out=out),
            options=ScoreOptions(
                precision=flags.precision,
                limit=flags.threshold if is_main else None,
                workers=run.workers,
                max_quarantine=run.max_quarantine,
                progress=lambda done, _: show(done),
            ),
        ).scores


def _class_names(mining: Mining, *, hard: ChosenRows) -> tuple[str, ...]:
    """Return the classes that the model names, () where it knows persons alone; keep those of hard cases as maps."""
    ready = mining.model.ready(mining.flags.precision)
    if not ready.card.class_names:
        return ()
    from models.evaluation.class_scores import keep_class_maps

    with progress_bar("mine, classes of hard cases", total=len(hard), run=mining.run) as show:
        keep_class_maps(
            {row["id"]: named_file(folder, row["image"]) for folder, row in mining.samples(hard)},
            predictor=ready.predictor(threads=max(1, mining.run.workers)),
            card=ready.card,
            folder=mining.staging / PREDICTED_CLASSES,
            told=show,
        )
    return ready.card.class_names


def _other_views(mining: Mining, *, model: CheckedModel, name: str) -> Views:
    """Return where the predictions of another model lie."""
    out = mining.staging / name
    _scored(mining, model=model, out=out, is_main=False)
    return lambda id_: out / PREDICTIONS / f"{id_}.png"


def _taught(mining: Mining, *, index: int) -> tuple[Views, dict[str, Any]]:
    """Return where the predictions of a teacher lie, and what is told of it. Raises InputRefused where it sees nobody.

    Told is its median mIoU with the labels: of a teacher that can be trusted most labels are right.
    """
    model, out = mining.teachers[index], mining.staging / f"teacher-{index}"
    scores = _scored(mining, model=model, out=out, is_main=False)
    found = scores_by_name(scores, ["is_finite", "miou"])
    finite = ChosenRows(scores, np.flatnonzero(found["is_finite"]))
    answers = Mapped(finite, lambda row: out / PREDICTIONS / f"{row['id']}.png")
    refuse_blind(answers, model=Path(model.model.path), asked=len(scores))
    mious = found["miou"][~np.isnan(found["miou"])]
    told = asdict(model.model) | {"unanswered": len(scores) - len(finite)}
    told["miou"] = float(np.median(mious)) if len(mious) else None
    return lambda id_: out / PREDICTIONS / f"{id_}.png", told


def hard_ones(scores: Rows, *, flags: MineFlags) -> NDArray[np.int64]:
    """Return the numbers of the scores of what is hard, the worst first: broken predictions, then labelled samples,
    then the pool; where two are alike the first by its id."""
    found = scores_by_name(scores, ["is_finite", "miou", "uncertainty_boundary"])
    is_finite, miou = found["is_finite"].astype(np.bool_), found["miou"]
    hard = np.flatnonzero(~is_finite | (miou < flags.threshold))
    by_miou = np.argsort(np.where(is_finite[hard], miou[hard], -np.inf), kind="stable")
    pool = np.flatnonzero(is_finite & np.isnan(miou))
    # a share above 0 of a small pool keeps one: the pool was given to be mined
    number = max(flags.pool_share > 0, round(flags.pool_share * len(pool)))
    by_uncertainty = np.argsort(-found["uncertainty_boundary"][pool], kind="stable")  # NaN, of one without, comes last
    return np.concatenate([hard[by_miou], pool[by_uncertainty][:number]])


def _plan(mining: Mining, *, found: Mined) -> Plan:
    counted = Counter[str]()
    for table in blocks_of(found.scores, ["verdict"]) if "verdict" in found.scores.schema.names else ():
        counted.update(table["verdict"].to_pylist())
    notes = {
        "model": asdict(mining.model.model),
        "second": [asdict(one.model) for one in mining.second],
        "scored": len(found.places),
        "verdicts": {name: counted[name] for name in VERDICTS},
    }
    notes |= found.notes
    if found.class_names:
        notes[PREDICTED_CLASSES] = {name: value for value, name in enumerate(found.class_names)}
    return plan_hard_cases(mining.origin, mined=found, settings=mining.settings, notes=notes)


def _nothing(mining: Mining) -> Mined:
    """Return a result without samples: enough to know whether the dataset is there already."""
    empty = pa.table({"id": pa.array([], pa.string())})
    left_out = {**mining.filtered, "unscored": mining.number}
    none = np.empty(0, dtype=np.int64)
    return Mined(
        scores=InMemory(empty),
        places=none,
        hard=none,
        broken=[],
        remarks=[],
        filtered=left_out,
        staging=mining.staging,
    )


def _told(mining: Mining) -> Result:
    labelled = mining.labelled
    counts = {"samples": mining.number, "labelled": labelled, "filtered": mining.filtered}
    data = {"command": "mine", "out": str(mining.flags.out), "dry_run": True, **counts}
    line = f"{mining.flags.out}: would score {mining.number} samples, {labelled} of them labelled, "
    return Result(summary=f"{line}with {mining.model.model.name} (dry run, nothing is written)", data=data)


def _warnings(mining: Mining) -> tuple[str, ...]:
    """Say where a choice could mislead."""
    return (*_own_labels(mining), *_unsure(mining))


def _own_labels(mining: Mining) -> Iterator[str]:
    """Say of a teacher how many of the labels that it judges are its own."""
    if not mining.teachers or LABEL_SOURCE not in mining.rows.rows.schema.names:
        return
    tables = mining.rows.batches([LABEL_SOURCE])
    sources = Counter(source for table in tables for source in table[LABEL_SOURCE].to_pylist() if source)
    for teacher in map(described, mining.teachers):
        own = sum(number for source, number in sources.items() if teacher.name in source.split(BETWEEN))
        if own:
            yield f"{own} labels were made by {teacher.name} itself (label_source): it finds nothing wrong with them"


def _unsure(mining: Mining) -> tuple[str, ...]:
    """Say of a model that gives classes what is not known."""
    is_sure = mining.model.ready(mining.flags.precision).card.output == "class_ids"
    if not is_sure or mining.labelled == mining.number:
        return ()
    return (
        f"{mining.model.model.name} gives classes and no probabilities: how unsure it is of samples without a label is "
        "not known, and those with the longest outline are kept",
    )


def _result(result: Result, *, mining: Mining) -> Result:
    notes = result.data["notes"]
    verdicts = ", ".join(f"{name} {number}" for name, number in notes["verdicts"].items() if number)
    lines = [result.summary, f"  scored        {notes['scored']:>7}   verdicts: {verdicts or 'none'}"]
    if notes.get(WRONG) is not None:
        lines.append(f"  about {notes[WRONG]:.1%} of the labels are wrong, as errors that were planted in them tell")
    if mining.rests_on_one_model:
        lines.append("  verdicts rest on one model alone; --second M, --folds 5 or --teacher M make them better")
    if result.exit_code:
        lines.append(f"  broken inputs and predictions, each with its reason: {mining.flags.out / QUARANTINE}")
    return replace(result, summary="\n".join(lines), warnings=(*result.warnings, *_teacher_warnings(notes)))


def _teacher_warnings(notes: Mapping[str, Any]) -> list[str]:
    """Say where a teacher could mislead, or tells less than was asked for."""
    found = []
    for teacher in notes.get(TEACHERS, []):
        if teacher["unanswered"]:
            found.append(f"{teacher['name']} gives nothing that is finite for {teacher['unanswered']} images")
        if teacher["miou"] is not None and teacher["miou"] < HARD_BELOW:
            told = f"{teacher['name']} agrees with few labels (median mIoU {teacher['miou']:.3f})"
            found.append(
                f"{told}: look at its masks with `curate predict`. Where they are wrong, leave it out; where so many "
                "labels are, more of them are wrong than is told"
            )
    if TEACHERS in notes and notes[WRONG] is None:
        found.append(
            f"fewer than {ENOUGH} labels in which an error could be planted: how probable it is that one is wrong "
            "cannot be told from so few"
        )
    return found
