"""The work of `curate mine`: score, gather what other models say, judge, and make the dataset of hard cases.

Scores and predictions are made in a folder beside the dataset, `<out>.mining`, which a stopped run goes on with, and
which is gone when the dataset is whole.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pyarrow as pa

from curation.card import QUARANTINE
from curation.dataset import read_dataset, read_quarantine, select_rows
from curation.errors import InputRefused
from curation.files import make_folder, sha256_of
from curation.joining import join_tables
from curation.lock import exclusive
from curation.merging import prefixes_of, refuse_twice
from curation.quarantine import QuarantineRecord
from curation.samples import Plan
from labeling.hard_cases import Mined, Origin, plan_hard_cases
from labeling.judging import Views, judged, observe_alone
from labeling.selection import by_miou, by_uncertainty
from labeling.verdict import VERDICTS
from models.checked_model import CheckedModel
from models.dataset_scores import DatasetScores, Part, ScoreOptions, Work, score_parts
from models.evaluation_sets import identify
from models.prediction.protocol import EngineOptions
from models.prediction.real_pictures import samples_of
from models.scores import PREDICTIONS
from models.scoring import Row, ScoringPlace
from models.truth import has_truth
from pipelines.folds import predict_by_folds
from pipelines.making import make_dataset
from pipelines.options import Result, RunOptions
from pipelines.progress import progress_bar

if TYPE_CHECKING:
    from pipelines.mine import MineFlags

DECISIVE: Final = ("threshold", "pool_share", "split", "where", "folds", "precision", "with_flips", "prefix")
"""The flags that change the result; those of the folds count where there are folds, with_scales where it is set."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mining:
    """What is mined, with which models, and where unfinished work lies."""

    flags: MineFlags
    run: RunOptions
    origin: Origin
    parts: Sequence[Part]
    filtered: dict[str, int]
    model: CheckedModel
    second: Sequence[CheckedModel]
    staging: Path
    settings: dict[str, Any]

    @property
    def rows(self) -> list[Row]:
        """The rows that are scored, with the ids that they have in the result."""
        return [row for part in self.parts for row in part.rows]

    def check_models(self) -> None:
        """Raise what refuses a model."""
        for one in (self.model, *self.second):
            one.ready(self.flags.precision)


def mined(flags: MineFlags, *, run: RunOptions) -> Result:
    """Mine, or with a dry run tell what would be scored."""
    mining = _planned(flags, run=run)
    if run.dry_run:
        mining.check_models()
        return _told(mining)
    from curation.building import run_id
    from curation.workspace import finished_card

    empty = _plan(mining, found=_nothing(mining))
    is_done = not run.overwrite and finished_card(flags.out, run=run_id(empty)) is not None
    if is_done:
        return _result(make_dataset(empty, out=flags.out, run=run), mining=mining)
    mining.check_models()  # before anything is made
    make_folder(mining.staging)
    with exclusive(mining.staging / "lock"):
        plan = _plan(mining, found=_found(mining))
        result = make_dataset(plan, out=flags.out, run=run)
    shutil.rmtree(mining.staging)
    return _result(replace(result, warnings=(*result.warnings, *_warnings(mining))), mining=mining)


def _planned(flags: MineFlags, *, run: RunOptions) -> Mining:
    datasets = [read_dataset(folder) for folder in flags.data]
    prefixes = prefixes_of(datasets, prefix=flags.prefix)
    refuse_twice(datasets)
    joined = join_tables(datasets, prefixes=prefixes)
    staging = flags.out.with_name(f"{flags.out.name}.mining")
    parts, filtered = [], Counter[str]()
    for dataset, prefix in zip(datasets, prefixes, strict=True):
        table = dataset.table if flags.where is None else select_rows(dataset, flags.where)
        filtered["query"] += len(dataset.table) - len(table)
        rows = [row for row in table.to_pylist() if flags.split in {"all", row["split"]}]
        filtered["split"] += len(table) - len(rows)
        kept = rows[: run.limit]
        filtered["limit"] += len(rows) - len(kept)
        name = dataset.folder.resolve().name
        place = ScoringPlace(dataset=dataset.folder, name=name, out=staging, with_alpha=False)
        parts.append(Part(rows=[row | {"id": prefix + row["id"]} for row in kept], place=place))
    if not any(part.rows for part in parts):
        told = ", ".join(f"{reason} {number}" for reason, number in (+filtered).items()) or "the datasets are empty"
        raise InputRefused(
            f"no sample to mine: {told}", where=flags.data[0], remedy="choose other samples, or another data set"
        )
    model, *second = _models(flags, parts=parts, run=run)
    settings = {name: getattr(flags, name) for name in DECISIVE} | {"limit": run.limit, "seed": run.seed}
    settings |= {"model": model.model.sha256[:16], "second": [other.model.sha256[:16] for other in second]}
    settings |= {"network": flags.network, "epochs": flags.epochs} if flags.folds else {}
    settings |= {"with_scales": True} if flags.with_scales else {}
    return Mining(
        flags=flags,
        run=run,
        origin=Origin(datasets=datasets, prefixes=prefixes, joined=joined),
        parts=parts,
        filtered=dict(+filtered),
        model=model,
        second=second,
        staging=staging,
        settings=settings,
    )


def _models(flags: MineFlags, *, parts: Sequence[Part], run: RunOptions) -> list[CheckedModel]:
    """Return the models, the one that is mined with first; a dry run looks at no sample."""
    samples = [] if run.dry_run else samples_of((part.place.dataset, part.rows) for part in parts)
    found = []
    for number, path in enumerate((flags.model, *flags.second)):
        options = EngineOptions(
            device=run.device,
            with_flips=flags.with_flips and number == 0,
            with_scales=flags.with_scales and number == 0,
            workers=run.workers,
        )
        found.append(CheckedModel(identify(path), options=options, samples=samples))
    return found


def _found(mining: Mining) -> Mined:
    """Score, judge and choose."""
    scores = _scored(mining, model=mining.model, out=mining.staging, is_main=True)
    views = [_second_view(mining, index=index) for index in range(len(mining.second))]
    if mining.flags.folds:
        views.append(predict_by_folds(mining, work=mining.staging / "folds"))
    table = judged(scores, parts=mining.parts, views=views, staging=mining.staging, workers=mining.run.workers)
    scored = set(table["id"].to_pylist())
    records = read_quarantine(mining.staging)
    return Mined(
        scores=table,
        hard=_hard(table.to_pylist(), flags=mining.flags),
        broken=_first_of_each(record for record in records if record.record_id not in scored),
        remarks=[record for record in records if record.record_id in scored],
        filtered=mining.filtered,
        staging=mining.staging,
    )


def _first_of_each(records: Any) -> list[QuarantineRecord]:
    found: dict[str | None, QuarantineRecord] = {}
    for record in records:
        found.setdefault(record.record_id, record)
    return list(found.values())


def _scored(mining: Mining, *, model: CheckedModel, out: Path, is_main: bool) -> DatasetScores:
    flags, run = mining.flags, mining.run
    is_alone = not mining.second and not flags.folds  # else the predictions are judged together, when all are there
    observe = observe_alone if is_alone else None
    places = [replace(part.place, out=out, observe=observe) for part in mining.parts]
    parts = [Part(rows=part.rows, place=place) for part, place in zip(mining.parts, places, strict=True)]
    identity = sha256_of(msgspec.json.encode([mining.settings, model.model.sha256, model.model.card_sha256]))[:16]
    with progress_bar(f"mine, {model.model.name}", total=len(mining.rows), run=run) as show:
        return score_parts(
            [part for part in parts if part.rows],
            predict=model,
            work=Work(folder=out / "work", run=identity),
            options=ScoreOptions(
                precision=flags.precision,
                limit=flags.threshold if is_main else None,
                workers=run.workers,
                max_quarantine=run.max_quarantine,
                progress=lambda done, _: show(done),
            ),
        )


def _second_view(mining: Mining, *, index: int) -> Views:
    """Give where the predictions of another model lie."""
    out = mining.staging / f"second-{index}"
    _scored(mining, model=mining.second[index], out=out, is_main=False)
    return lambda id_: out / PREDICTIONS / f"{id_}.png"


def _hard(rows: Sequence[Row], *, flags: MineFlags) -> list[str]:
    """Give the ids of what is hard, the worst first: broken predictions, then labelled samples, then the pool."""
    labelled = [row for row in rows if not row["is_finite"] or (row["miou"] is not None)]
    hard = [row for row in labelled if row["miou"] is None or row["miou"] < flags.threshold]
    pool = [row for row in rows if row["is_finite"] and row["miou"] is None]
    uncertain = sorted(pool, key=lambda row: (by_uncertainty(row), row["id"]))[: round(flags.pool_share * len(pool))]
    return [row["id"] for row in (*sorted(hard, key=lambda row: (by_miou(row), row["id"])), *uncertain)]


def _plan(mining: Mining, *, found: Mined) -> Plan:
    counted = Counter(found.scores["verdict"].to_pylist()) if "verdict" in found.scores.column_names else Counter()
    notes = {
        "model": asdict(mining.model.model),
        "second": [asdict(one.model) for one in mining.second],
        "scored": found.scores.num_rows,
        "verdicts": {name: counted[name] for name in VERDICTS},
    }
    return plan_hard_cases(mining.origin, mined=found, settings=mining.settings, notes=notes)


def _nothing(mining: Mining) -> Mined:
    """Give a result without samples: enough to know whether the dataset is there already."""
    empty = pa.table({"id": pa.array([], pa.string())})
    left_out = {**mining.filtered, "unscored": len(mining.rows)}
    return Mined(scores=empty, hard=[], broken=[], remarks=[], filtered=left_out, staging=mining.staging)


def _told(mining: Mining) -> Result:
    labelled = sum(has_truth(row) for row in mining.rows)
    counts = {"samples": len(mining.rows), "labelled": labelled, "filtered": mining.filtered}
    data = {"command": "mine", "out": str(mining.flags.out), "dry_run": True, **counts}
    line = f"{mining.flags.out}: would score {len(mining.rows)} samples, {labelled} of them labelled, "
    return Result(summary=f"{line}with {mining.model.model.name} (dry run, nothing is written)", data=data)


def _warnings(mining: Mining) -> tuple[str, ...]:
    """Say where a choice could mislead."""
    is_sure = mining.model.ready(mining.flags.precision).card.output == "class_ids"
    if not is_sure or all(has_truth(row) for row in mining.rows):
        return ()
    return (
        f"{mining.model.model.name} gives classes and no probabilities: how unsure it is of samples without a label is "
        "not known, and those with the longest outline are kept",
    )


def _result(result: Result, *, mining: Mining) -> Result:
    notes = result.data["notes"]
    verdicts = ", ".join(f"{name} {number}" for name, number in notes["verdicts"].items() if number)
    lines = [result.summary, f"  scored        {notes['scored']:>7}   verdicts: {verdicts or 'none'}"]
    if not mining.second and not mining.flags.folds:
        lines.append("  verdicts rest on one model alone; --second M or --folds 5 make them better")
    if result.exit_code:
        lines.append(f"  broken inputs and predictions, each with its reason: {mining.flags.out / QUARANTINE}")
    return replace(result, summary="\n".join(lines))
