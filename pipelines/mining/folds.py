"""Predictions by networks that have not seen the label: one for each part of the data, trained on the other parts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from curation.building.build_dataset import BuildOptions, build_dataset
from curation.dataset.dataset import read_dataset, read_quarantine, write_dataset
from curation.operations.leak_groups import leak_groups
from curation.operations.merge import plan_merge
from curation.operations.rewrite import rewriting
from curation.storage.files import sha256_of
from labeling.verdicts.judge_dataset import Views
from models.evaluation.checked_model import CheckedModel
from models.evaluation.choose_sets import identify
from models.evaluation.score_dataset import ScoreOptions, Work, score_dataset
from models.evaluation.score_files import ScoringPlace
from models.evaluation.score_table import PREDICTIONS
from pipelines.command_line.progress import progress_bar

if TYPE_CHECKING:
    from pipelines.mining.plan import Mining

JUDGING: Final = 10
"""One in this many training groups is used for validation instead."""


def predict_by_folds(mining: Mining, *, work: Path) -> Views:
    """Train `--folds` networks; give where the prediction for each sample lies, by the one that did not train on it.

    All lies in `work`; what an earlier run finished is not done again.
    """
    pool = _pool(mining, out=work / "pool")
    folds = _folds(pool, count=mining.flags.folds, seed=mining.run.seed)
    for fold in range(mining.flags.folds):
        _split(pool, folds=folds, fold=fold)
        _train(mining, pool=pool, out=work / f"run-{fold}", name=f"fold {fold + 1} of {mining.flags.folds}")
        _predict(mining, pool=pool, out=work / f"scores-{fold}", model=work / f"run-{fold}", fold=fold)
    return lambda id_: work / f"scores-{folds.get(id_, 0)}" / PREDICTIONS / f"{id_}.png"


def _pool(mining: Mining, *, out: Path) -> Path:
    """Make one dataset of all samples that are mined and have a mask."""
    flags = mining.flags
    wanted = [f"({flags.where})"] if flags.where else []
    wanted += [f"split == '{flags.split}'"] if flags.split != "all" else []
    plan = plan_merge(
        mining.origin.datasets,
        prefix=flags.prefix,
        query=" and ".join([*wanted, "mask.notnull()"]),
        drop_splits=True,
    )
    build_dataset(plan, out=out, options=BuildOptions(runner=mining.run.runner))
    return out


def _folds(pool: Path, *, count: int, seed: int) -> dict[str, int]:
    """Return the fold of every sample: by a hash of its group, so that what belongs together is in one."""
    table = read_dataset(pool).table
    groups = leak_groups(table)
    return {
        id_: int(_hash(f"{seed} {group}"), 16) % count
        for id_, group in zip(table["id"].to_pylist(), groups, strict=True)
    }


def _hash(text: str) -> str:
    return sha256_of(text.encode("utf-8", "surrogatepass"))


def _split(pool: Path, *, folds: dict[str, int], fold: int) -> None:
    """Make the samples of one fold the split test, some of the others val."""
    with rewriting(pool) as dataset:
        table = dataset.table
        rows = list(zip(table["id"].to_pylist(), leak_groups(table), strict=True))
        others = sorted({group for id_, group in rows if folds[id_] != fold}, key=_hash)
        judges = set(others[: max(1, len(others) // JUDGING)])
        splits = ["test" if folds[id_] == fold else "val" if group in judges else "train" for id_, group in rows]
        if splits != table["split"].to_pylist():
            column = table.column_names.index("split")
            table = table.set_column(column, "split", pa.array(splits, pa.string()))
            write_dataset(pool, card=dataset.card, table=table, quarantine=read_quarantine(pool))


def _train(mining: Mining, *, pool: Path, out: Path, name: str) -> None:
    from models.training.settings import Stage, TrainingOptions, TrainSettings
    from models.training.train import plan_training, train

    stage = Stage(data=(str(pool),), epochs=mining.flags.epochs)
    settings = TrainSettings(network=mining.flags.network, seed=mining.run.seed, stages=(stage,))
    plan = plan_training(settings)
    with progress_bar(name, total=plan.batches, run=mining.run, unit="batch") as show:
        train(
            plan,
            out=out,
            options=TrainingOptions(workers=max(0, mining.run.workers - 1)),
            told=lambda progress: show(progress.batches),
        )


def _predict(mining: Mining, *, pool: Path, out: Path, model: Path, fold: int) -> None:
    dataset = read_dataset(pool)
    rows = [row for row in dataset.table.to_pylist() if row["split"] == "test"]
    score_dataset(
        rows,
        place=ScoringPlace(dataset=pool, name=f"fold-{fold}", out=out, with_alpha=False),
        predict=CheckedModel(identify(model), options=mining.run.predicting),
        work=Work(folder=out / "work", run=f"fold-{fold}"),
        options=ScoreOptions(precision=mining.flags.precision, workers=mining.run.workers),
    )
