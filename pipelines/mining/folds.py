"""Predictions by networks that have not seen the label: one for each part of the data, trained on the other parts."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from curation.building.build_dataset import BuildOptions, build_dataset
from curation.dataset.chosen_rows import ChosenRows
from curation.dataset.dataset import read_dataset
from curation.dataset.rows import Batches
from curation.operations.leak_groups import batches_of, find_leak_groups
from curation.operations.leaks import SPLITS
from curation.operations.merge import plan_merge
from curation.operations.rewrite import rewriting
from curation.operations.split import Splitting, numbers_of_splits, write_splits
from curation.storage.text_numbers import TextNumbers
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Folds:
    """The folds of a pool: of each row its group and its fold, and the groups in the order in which they judge."""

    group: NDArray[np.int32]
    fold: NDArray[np.int64]
    order: NDArray[np.int64]

    def splits(self, fold: int) -> NDArray[np.int8]:
        """Return the numbers of the splits: the rows of a fold are the split test, some of the others val."""
        is_tested = np.zeros(len(self.order), dtype=np.bool_)
        is_tested[self.group[self.fold == fold]] = True
        others = self.order[~is_tested[self.order]]
        split = np.full(len(self.order), SPLITS.index("train"), dtype=np.int8)
        split[others[: max(1, len(others) // JUDGING)]] = SPLITS.index("val")
        split[is_tested] = SPLITS.index("test")
        return np.asarray(split[self.group])


def predict_by_folds(mining: Mining, *, work: Path) -> Views:
    """Train `--folds` networks; give where the prediction for each sample lies, by the one that did not train on it.

    All lies in `work`; what an earlier run finished is not done again.
    """
    pool = _pool(mining, out=work / "pool")
    folds = draw_folds(batches_of(read_dataset(pool)), count=mining.flags.folds, seed=mining.run.seed)
    for fold in range(mining.flags.folds):
        _split(pool, now=folds.splits(fold))
        _train(mining, pool=pool, out=work / f"run-{fold}", name=f"fold {fold + 1} of {mining.flags.folds}")
        _predict(mining, pool=pool, out=work / f"scores-{fold}", model=work / f"run-{fold}", fold=fold)
    ids = (id_ for table in read_dataset(pool).batches(["id"]) for id_ in table["id"].to_pylist())
    fold_of = TextNumbers(zip(ids, folds.fold.tolist(), strict=True))
    return lambda id_: work / f"scores-{fold_of.of([id_], unknown=0)[0]:.0f}" / PREDICTIONS / f"{id_}.png"


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


def draw_folds(pool: Batches, *, count: int, seed: int) -> Folds:
    """Return the fold of every row of a pool: by a hash of its group, so that what belongs together is in one."""
    groups = find_leak_groups(pool)
    fold = np.empty(len(groups), dtype=np.int64)
    drawn = np.empty(len(groups), dtype="S32")
    for clusters, names in groups.every_name():
        fold[clusters] = [int.from_bytes(sha256(b"%d %b" % (seed, name)).digest()) % count for name in names]
        drawn[clusters] = [sha256(name).digest() for name in names]
    return Folds(group=groups.of_row, fold=fold[groups.of_row], order=np.argsort(drawn, kind="stable"))


def _split(pool: Path, *, now: NDArray[np.int8]) -> None:
    with rewriting(pool) as dataset:
        splitting = Splitting(before=numbers_of_splits(batches_of(dataset)), now=now)
        if splitting.is_changed:
            write_splits(dataset, card=dataset.card, splitting=splitting)


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
    tested = np.flatnonzero(numbers_of_splits(batches_of(dataset)) == SPLITS.index("test"))
    score_dataset(
        ChosenRows(dataset.rows, tested),
        place=ScoringPlace(dataset=pool, name=f"fold-{fold}", out=out, with_alpha=False),
        predict=CheckedModel(identify(model), options=mining.run.predicting),
        work=Work(folder=out / "work", run=f"fold-{fold}"),
        options=ScoreOptions(precision=mining.flags.precision, workers=mining.run.workers),
    )
