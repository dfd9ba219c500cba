"""Which model is evaluated on which samples: decided before the first image is opened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec
import pyarrow as pa

from curation.dataset.dataset import Dataset, of_ids, read_dataset
from curation.dataset.made_before import is_incomplete
from curation.dataset.query import select_rows
from curation.errors import InputRefused
from curation.operations.merge import refuse_twice
from curation.quarantine import BadRecord
from curation.storage.files import fingerprint_file, sha256_of
from models.data.truth import has_truth
from models.evaluation.score_files import Row
from models.model_files import fingerprint_of
from models.prediction.find_model import find_model
from models.registry.registry import pinned

SplitChoice: TypeAlias = Literal["train", "val", "test", "all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model by its place, its name, and the SHA-256 of its weights and of its card."""

    name: str
    path: str
    sha256: str
    card_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetChoice:
    """Which samples of the data sets are evaluated: those of a split, for which a query holds, the first so many.

    `splits` holds one for all data sets, or one for each.
    """

    splits: tuple[SplitChoice, ...]
    query: str | None
    limit: int | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EvaluationSet:
    """A data set with the rows that are evaluated, and how many others were left out for which reason."""

    name: str
    dataset: Dataset
    rows: Sequence[Row]
    filtered: dict[str, int]

    @property
    def table(self) -> pa.Table:
        """The rows that are evaluated, as a part of the manifest."""
        return of_ids(self.dataset.table, {row["id"] for row in self.rows})


def identify(path: Path) -> Model:
    """Say which model a path names. Raises InputRefused when there is none, or no card; SecurityRefused."""
    path = pinned(path)  # an alias may name another model a moment later
    found = find_model(path)
    try:
        hashes = fingerprint_of(found), fingerprint_file(found.card)
    except BadRecord as problem:
        remedy = "a model is its weights and its card: restore what is missing; `curate models --inspect` begins a card"
        raise InputRefused(problem.reason, where=problem.file, remedy=remedy) from problem
    return Model(name=found.name, path=str(path), sha256=hashes[0], card_sha256=hashes[1])


def choose_sets(folders: Sequence[Path], *, choice: SetChoice) -> list[EvaluationSet]:
    """Read the data sets and choose their samples, sorted by id.

    Raises InputRefused when two are one or have one name, or when one has nothing to evaluate, naming what left it out.
    """
    datasets = [read_dataset(folder) for folder in folders]
    refuse_twice(datasets)
    splits = choice.splits * len(folders) if len(choice.splits) == 1 else choice.splits
    sets = [_chosen(one, split=split, choice=choice) for one, split in zip(datasets, splits, strict=True)]
    repeated = [name for name, times in Counter(one.name for one in sets).items() if times > 1]
    if repeated:
        raise InputRefused(
            f"two of the data sets are called {repeated[0]!r}, so that their scores would lie in one folder",
            where=next(one.dataset.folder for one in sets if one.name == repeated[0]),
            remedy="rename one of the folders, or join them with `curate merge`",
        )
    return sets


def run_id(models: Sequence[Model], *, sets: Sequence[EvaluationSet], settings: Mapping[str, Any]) -> str:
    """Return 16 hexadecimal digits that change with weights, cards, data and settings, and with nothing else."""
    data = [(one.name, one.dataset.card.manifest_sha256, [row["id"] for row in one.rows]) for one in sets]
    what = [[(model.sha256, model.card_sha256) for model in models], data, settings]
    return sha256_of(msgspec.json.encode(what, order="deterministic"))[:16]


def _chosen(dataset: Dataset, *, split: SplitChoice, choice: SetChoice) -> EvaluationSet:
    rows: list[dict[str, Any]] = dataset.table.to_pylist()
    holds = None if choice.query is None else set(select_rows(dataset, choice.query)["id"].to_pylist())
    rules: dict[str, Callable[[Row], bool]] = {
        "split": lambda row: split in {"all", row["split"]},
        "query": lambda row: holds is None or row["id"] in holds,
        "no_mask": has_truth,
        "broken_parts": lambda row: not is_incomplete(row),
    }
    filtered = Counter[str]()
    for reason, is_wanted in rules.items():
        kept = [row for row in rows if is_wanted(row)]
        filtered[reason] = len(rows) - len(kept)
        rows = kept
    if not rows:
        raise _nothing_left(dataset, filtered=filtered, split=split)
    chosen = rows[: choice.limit]
    filtered["limit"] = len(rows) - len(chosen)
    return EvaluationSet(
        name=dataset.folder.resolve().name,
        dataset=dataset,
        rows=chosen,
        filtered={reason: number for reason, number in filtered.items() if number},
    )


def _nothing_left(dataset: Dataset, *, filtered: Counter[str], split: SplitChoice) -> InputRefused:
    reasons = {
        "split": f"{filtered['split']} are not of the split {split} (`curate split` gives splits)",
        "query": f"for {filtered['query']} --where does not hold",
        "no_mask": f"{filtered['no_mask']} have no mask",
        "broken_parts": f"{filtered['broken_parts']} lack a person of a broken annotation (make the data set again)",
    }
    told = "; ".join(text for name, text in reasons.items() if filtered[name]) or "it is empty"
    return InputRefused(
        f"no sample to evaluate: {told}", where=dataset.folder, remedy="choose other samples, or another data set"
    )
