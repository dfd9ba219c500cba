"""Which model is evaluated on which samples: decided before the first image is opened."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import msgspec
import pyarrow as pa

from curation.dataset.chosen_rows import ROWS_AT_ONCE, ChosenRows, Rules, places_left
from curation.dataset.dataset import Dataset, read_dataset
from curation.dataset.made_before import ASKED as OF_PARTS
from curation.dataset.made_before import is_incomplete
from curation.dataset.query import rows_where
from curation.errors import InputRefused
from curation.operations.merge import refuse_twice
from curation.quarantine import BadRecord
from curation.sequences import batched
from curation.storage.files import fingerprint_file
from models.data.truth import has_truth
from models.model_files import fingerprint_of
from models.prediction.find_model import find_model
from models.registry.registry import pinned

SplitChoice: TypeAlias = Literal["train", "val", "test", "all"]
ASKED: Final = ("split", "persons", *OF_PARTS)
"""The columns that tell whether a row is evaluated."""


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
    rows: ChosenRows
    filtered: dict[str, int]

    def read(self, columns: Sequence[str]) -> pa.Table:
        """Return those of these columns that there are, of the rows that are evaluated."""
        return pa.concat_tables(self.rows.batches(columns))


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
    digest = hashlib.sha256(b"[" + _encoded([(model.sha256, model.card_sha256) for model in models]) + b",[")
    for number, one in enumerate(sets):
        digest.update(b"," * (number > 0) + b"[" + _encoded(one.name) + b",")
        digest.update(_encoded(one.dataset.card.manifest_sha256) + b",[")
        for place, ids in enumerate(batched(one.rows.column("id"), size=ROWS_AT_ONCE)):
            digest.update(b"," * (place > 0) + _encoded(ids)[1:-1])
        digest.update(b"]]")
    digest.update(b"]," + _encoded(settings) + b"]")
    return digest.hexdigest()[:16]


def _encoded(told: Any) -> bytes:
    return msgspec.json.encode(told, order="deterministic")


def _chosen(dataset: Dataset, *, split: SplitChoice, choice: SetChoice) -> EvaluationSet:
    holds = None if choice.query is None else rows_where(dataset, choice.query)
    rules: Rules = {
        "split": lambda _, row: split not in {"all", row["split"]},
        "query": lambda place, _: holds is not None and not holds[place],
        "no_mask": lambda _, row: not has_truth(row),
        "broken_parts": lambda _, row: is_incomplete(row),
    }
    found, filtered = places_left(dataset.rows, columns=ASKED, rules=rules)
    if not len(found):
        raise _nothing_left(dataset, filtered=filtered, split=split)
    filtered["limit"] = len(found) - len(found[: choice.limit])
    return EvaluationSet(
        name=dataset.folder.resolve().name,
        dataset=dataset,
        rows=ChosenRows(dataset.rows, found[: choice.limit]),
        filtered={reason: filtered[reason] for reason in (*rules, "limit") if filtered[reason]},
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
