"""What is mined, with which models, decided before the first step; and where unfinished work lies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from curation.dataset.chosen_rows import ChosenRows
from curation.dataset.dataset import Dataset, read_dataset
from curation.dataset.query import rows_where
from curation.dataset.rows import blocks_of
from curation.errors import InputRefused
from curation.operations.join import Joined, join_tables
from curation.operations.merge import MadeOfRows, by_id, prefixes_of, refuse_twice
from curation.storage.files import sha256_of
from curation.storage.text_set import TextSet
from labeling.verdicts.hard_cases import Origin
from models.data.truth import has_truth
from models.evaluation.checked_model import CheckedModel
from models.evaluation.choose_sets import identify
from models.evaluation.score_dataset import Part, Work
from models.evaluation.score_files import Row, ScoringPlace
from models.evaluation.score_table import StoredScores
from models.prediction.checks.real_pictures import samples_of
from pipelines.command_line.options import RunOptions

if TYPE_CHECKING:
    from pipelines.mining.flags import MineFlags

DECISIVE: Final = ("threshold", "pool_share", "split", "where", "folds", "precision", "with_flips", "prefix")
"""The flags that change the result; those of the folds count where there are folds, with_scales where it is set."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mining:
    """What is mined, with which models, and where unfinished work lies; `rows` are those of all parts."""

    flags: MineFlags
    run: RunOptions
    origin: Origin
    rows: ChosenRows
    parts: Sequence[Part]
    filtered: dict[str, int]
    model: CheckedModel
    second: Sequence[CheckedModel]
    teachers: Sequence[CheckedModel]
    staging: Path
    settings: dict[str, Any]

    @property
    def number(self) -> int:
        """The number of rows that are scored."""
        return len(self.rows)

    @property
    def labelled(self) -> int:
        """The number of them that have a label."""
        tables = self.rows.batches(["mask", "persons"])
        return sum(has_truth(row) for table in tables for row in table.to_pylist())

    def work(self, model: CheckedModel, *, out: Path) -> Work:
        """Return where it is noted what a model was asked whose scores lie in a folder."""
        told = [self.settings, model.model.sha256, model.model.card_sha256]
        return Work(folder=out / "work", run=sha256_of(msgspec.json.encode(told))[:16])

    def scored_rows(self, scores: StoredScores) -> ChosenRows:
        """Return the rows that have a score, in the order of the scores, which is that of their ids."""
        known = TextSet()
        for table in blocks_of(scores, ["id"]):
            known.add_all(table["id"].to_pylist())
        rows = ChosenRows(self.origin.joined, by_id(self.origin.joined, places=self.rows.places))
        return rows.having(known.known)

    def samples(self, rows: ChosenRows) -> MadeOfRows[tuple[Path, Row]]:
        """Return each of some of the joined rows behind the folder of its dataset."""
        folders = [dataset.folder for dataset in self.origin.datasets]
        owners = self.origin.joined.owners
        return MadeOfRows(
            rows,
            lambda some, places: [(folders[one], row) for one, row in zip(owners(places).tolist(), some, strict=True)],
        )

    @property
    def rests_on_one_model(self) -> bool:
        """Tell whether nobody but the model that is mined with says anything of the labels."""
        return not (self.second or self.teachers or self.flags.folds)

    def check_models(self) -> None:
        """Raise what refuses a model."""
        for one in (self.model, *self.second, *self.teachers):
            one.ready(self.flags.precision)


def plan_mining(flags: MineFlags, *, run: RunOptions) -> Mining:
    """Return what a run will mine and with which models; raises InputRefused where that is nothing."""
    datasets = [read_dataset(folder) for folder in flags.data]
    prefixes = prefixes_of(datasets, prefix=flags.prefix)
    refuse_twice(datasets)
    joined = join_tables(datasets, prefixes=prefixes)
    parts, places, filtered = [], [], Counter[str]()
    for number, (dataset, prefix) in enumerate(zip(datasets, prefixes, strict=True)):
        rows = ChosenRows(Joined([dataset], prefixes=[prefix]), _wanted(dataset, flags=flags, filtered=filtered))
        kept = ChosenRows(rows.rows, rows.places[: run.limit])
        filtered["limit"] += len(rows) - len(kept)
        name = dataset.folder.resolve().name
        place = ScoringPlace(dataset=dataset.folder, name=name, out=flags.out, with_alpha=False)
        parts.append(Part(rows=kept, place=place))
        places.append(joined.places_of(number, kept.places))
    if not any(part.rows for part in parts):
        told = ", ".join(f"{reason} {number}" for reason, number in (+filtered).items()) or "the datasets are empty"
        raise InputRefused(
            f"no sample to mine: {told}", where=flags.data[0], remedy="choose other samples, or another data set"
        )
    model, *others = _models(flags, parts=parts, run=run)
    second, teachers = others[: len(flags.second)], others[len(flags.second) :]
    _refuse_same(teachers, others=[model, *second])
    settings = _settings(flags, run=run, model=model, second=second, teachers=teachers)
    manifests = [dataset.card.manifest_sha256[:16] for dataset in datasets]
    return Mining(
        flags=flags,
        run=run,
        origin=Origin(datasets=datasets, prefixes=prefixes, joined=joined),
        rows=ChosenRows(joined, np.concatenate(places)),
        parts=parts,
        filtered=dict(+filtered),
        model=model,
        second=second,
        teachers=teachers,
        staging=flags.out.with_name(f"{flags.out.name}.mining") / _digest([settings, manifests]),
        settings=settings,
    )


def _settings(
    flags: MineFlags,
    *,
    run: RunOptions,
    model: CheckedModel,
    second: Sequence[CheckedModel],
    teachers: Sequence[CheckedModel],
) -> dict[str, Any]:
    """Return what the result depends on, but for the data."""
    settings = {name: getattr(flags, name) for name in DECISIVE} | {"limit": run.limit, "seed": run.seed}
    settings |= {"model": model.model.sha256[:16], "second": [other.model.sha256[:16] for other in second]}
    settings |= {"network": flags.network, "epochs": flags.epochs} if flags.folds else {}
    settings |= {"with_scales": True} if flags.with_scales else {}
    settings |= {"teacher": [one.model.sha256[:16] for one in teachers]} if teachers else {}
    return settings


def _digest(told: Any) -> str:
    """Return what unfinished work is known by: that of other settings or data beside it is neither used nor harmed."""
    return sha256_of(msgspec.json.encode(told, order="deterministic"))[:16]


def _wanted(dataset: Dataset, *, flags: MineFlags, filtered: Counter[str]) -> NDArray[np.int64]:
    """Return the numbers of the rows that are asked for; count the others."""
    holds = np.ones(len(dataset), dtype=np.bool_) if flags.where is None else rows_where(dataset, flags.where)
    filtered["query"] += len(holds) - int(holds.sum())
    places = np.flatnonzero(holds)
    if flags.split == "all":
        return places
    splits = [pc.equal(table["split"], flags.split).fill_null(False) for table in dataset.batches(["split"])]
    is_of_split = np.concatenate([one.to_numpy() for one in splits])[places]
    filtered["split"] += len(places) - int(is_of_split.sum())
    return np.asarray(places[is_of_split], dtype=np.int64)


def _refuse_same(teachers: Sequence[CheckedModel], *, others: Sequence[CheckedModel]) -> None:
    """Raise InputRefused for a teacher that is one of the other models, or another teacher, once more."""
    known = {one.model.sha256: one for one in others}
    for teacher in teachers:
        key = teacher.model.sha256  # whatever its card says: weights that agree with themselves show nothing
        if key in known:
            raise InputRefused(
                f"this teacher is the model {known[key].model.path} once more: that both agree shows nothing",
                where=teacher.model.path,
                remedy="name another model as --teacher",
            )
        known[key] = teacher


def _models(flags: MineFlags, *, parts: Sequence[Part], run: RunOptions) -> list[CheckedModel]:
    """Return the models, the one that is mined with first; a dry run looks at no sample."""
    samples = [] if run.dry_run else samples_of((part.place.dataset, part.rows) for part in parts)
    found = []
    for number, path in enumerate((flags.model, *flags.second, *flags.teacher)):
        options = replace(
            run.predicting,
            with_flips=flags.with_flips and number == 0,
            with_scales=flags.with_scales and number == 0,
        )
        found.append(CheckedModel(identify(path), options=options, samples=samples))
    return found
