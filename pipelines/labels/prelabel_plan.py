"""What `curate prelabel` labels: rows of pools without a label, apart from all that models are measured on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.dataset.chosen_rows import ChosenRows, Rules, places_left
from curation.dataset.dataset import Dataset, read_dataset
from curation.dataset.query import rows_where
from curation.dataset.rows import InMemory
from curation.duplicates.copies import copies_among
from curation.duplicates.fingerprint_dataset import COLUMNS_READ, LookOptions
from curation.errors import InputRefused
from curation.operations.join import join_tables
from curation.operations.leak_groups import are_apart
from curation.operations.merge import by_id, prefixes_of, refuse_twice
from labeling.answers import STATUS, Answer
from labeling.browsing.fiftyone_dataset import DROP, REVIEW
from labeling.teachers.plan_prelabels import Pool
from models.data.choose_samples import HELD_OUT
from models.data.truth import has_truth
from pipelines.command_line.options import RunOptions
from pipelines.command_line.progress import progress_bar
from pipelines.labels.prelabel_flags import PrelabelFlags

IN_TEST: Final = "in_test"
"""The reason for samples that share a group or an image with a test set."""
NOT_FOR_TEACHERS: Final = frozenset({Answer.AMBIGUOUS, Answer.UNUSABLE})
"""Answers of a person after which no model is asked."""
ASKED: Final = ("split", "mask", "persons", STATUS, REVIEW)
RULES: Final[Rules] = {
    "held_out": lambda _, row: row["split"] in HELD_OUT,
    "labelled": lambda _, row: has_truth(row),
    "set_aside": lambda _, row: row.get(STATUS) in NOT_FOR_TEACHERS or row.get(REVIEW) == DROP,
}
"""Why a row is not labelled, and by which of the columns `ASKED`."""


class NothingToLabel(InputRefused):
    """No sample of a pool is left to label."""


def chosen_pool(flags: PrelabelFlags, *, run: RunOptions) -> Pool:
    """Return the rows that are to be labelled. Raises InputRefused where there is none."""
    datasets = [read_dataset(folder) for folder in flags.pool]
    refuse_twice(datasets)
    prefixes = prefixes_of(datasets, prefix=flags.prefix)
    joined = join_tables(datasets, prefixes=prefixes)
    rules: Rules = RULES
    if flags.where is not None:
        holds = rows_where(Dataset(folder=datasets[0].folder, card=datasets[0].card, rows=joined), flags.where)
        rules = {"query": lambda place, _: not holds[place], **RULES}
    found, filtered = places_left(joined, columns=ASKED, rules=rules)
    places = by_id(joined, places=found)[: run.limit]
    filtered["limit"] = len(found) - len(places)
    chosen = ChosenRows(joined, places)
    told = {reason: filtered[reason] for reason in (*rules, "limit")}
    pool = Pool(datasets=datasets, prefixes=prefixes, joined=joined, chosen=chosen, filtered=told)
    return pool if chosen else refuse_empty(pool)


def refuse_empty(pool: Pool) -> Pool:
    """Raise NothingToLabel."""
    told = ", ".join(f"{reason} {number}" for reason, number in pool.filtered.items() if number)
    raise NothingToLabel(
        f"no sample to label: {told or 'the datasets are empty'}",
        where=pool.datasets[0].folder,
        remedy="name a data set of photographs without labels, such as `curate images` makes",
    )


def apart_from_tests(pool: Pool, *, tests: Sequence[Path], looks: Path, run: RunOptions) -> Pool:
    """Return the pool without what shows the same as a test set: by group, by file, by pixels, nearly, mirrored.

    What images look like is kept in the folder `looks`. Raises InputRefused where nothing is left.
    """
    if not tests:
        return pool
    tested = [read_dataset(folder) for folder in tests]
    held = [_measured(dataset) for dataset in tested]
    own = rows_by_dataset(pool, places=pool.chosen.places)
    are_kept = are_apart([rows.batches for rows in own], held_out=[rows.batches for rows in held])
    left = [rows.kept(is_kept) for rows, is_kept in zip(own, are_kept, strict=True)]
    parts = list(map(_pictured, pool.datasets, left))
    copies = _copies(parts, of=list(map(_pictured, tested, held)), looks=looks, run=run)
    left = [rows.having(partial(_are_others, copies=copies, part=part)) for part, rows in enumerate(left)]
    places = np.concatenate([rows.places for rows in left])
    chosen = pool.chosen.kept(np.isin(pool.chosen.places, places))
    filtered = {**pool.filtered, IN_TEST: len(pool.chosen) - len(chosen)}
    found = replace(pool, chosen=chosen, filtered=filtered)
    return found if chosen else refuse_empty(found)


def _measured(dataset: Dataset) -> ChosenRows:
    """Return the rows of the split test, all where there is none."""
    rules: Rules = {"another": lambda _, row: row["split"] != "test"}
    tested, _ = places_left(dataset.rows, columns=["split"], rules=rules)
    return ChosenRows(dataset.rows, tested if len(tested) else np.arange(len(dataset)))


def _are_others(ids: Sequence[str], *, copies: set[tuple[int, str]], part: int) -> list[bool]:
    return [(part, id_) not in copies for id_ in ids]


def _pictured(dataset: Dataset, rows: ChosenRows) -> Dataset:
    """Return some rows of a dataset, with what is needed to look at their images."""
    return replace(dataset, rows=InMemory(pa.concat_tables(rows.batches(COLUMNS_READ))))


def rows_by_dataset(pool: Pool, *, places: NDArray[np.int64]) -> list[ChosenRows]:
    """Return some of the joined rows, by their numbers, for each dataset, in its order."""
    owners = pool.joined.owners(np.sort(places))
    return [ChosenRows(pool.joined, np.sort(places)[owners == number]) for number in range(len(pool.datasets))]


def _copies(parts: Sequence[Dataset], *, of: Sequence[Dataset], looks: Path, run: RunOptions) -> set[tuple[int, str]]:
    """Return the samples whose image is a copy of one of others, by the number of their dataset and their id."""
    number = sum(len(part) for part in (*parts, *of))
    with progress_bar("prelabel, copies of test images", total=number, run=run) as show:
        options = LookOptions(folder=looks, is_kept=not run.dry_run, runner=run.runner, progress=show)
        return copies_among(parts, of=of, options=options)
