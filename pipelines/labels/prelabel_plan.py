"""What `curate prelabel` labels: rows of pools without a label, apart from all that models are measured on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from curation.dataset.dataset import Dataset, of_ids, read_dataset
from curation.dataset.query import select_rows
from curation.dataset.rows import InMemory
from curation.duplicates.copies import copies_among
from curation.duplicates.fingerprint_dataset import LookOptions
from curation.errors import InputRefused
from curation.operations.join import join_tables
from curation.operations.merge import prefixes_of, refuse_twice
from labeling.answers import STATUS, Answer
from labeling.browsing.fiftyone_dataset import DROP, REVIEW
from labeling.teachers.plan_prelabels import Pool
from models.data.choose_samples import HELD_OUT, apart, of_split
from models.data.truth import has_truth
from models.evaluation.score_files import Row
from pipelines.command_line.options import RunOptions
from pipelines.command_line.progress import progress_bar
from pipelines.labels.prelabel_flags import PrelabelFlags

IN_TEST: Final = "in_test"
"""The reason for samples that share a group or an image with a test set."""
NOT_FOR_TEACHERS: Final = frozenset({Answer.AMBIGUOUS, Answer.UNUSABLE})
"""Answers of a person after which no model is asked."""
RULES: Final[dict[str, Callable[[Row], bool]]] = {
    "held_out": lambda row: row["split"] in HELD_OUT,
    "labelled": has_truth,
    "set_aside": lambda row: row.get(STATUS) in NOT_FOR_TEACHERS or row.get(REVIEW) == DROP,
}


class NothingToLabel(InputRefused):
    """No sample of a pool is left to label."""


def chosen_pool(flags: PrelabelFlags, *, run: RunOptions) -> Pool:
    """Return the rows that are to be labelled. Raises InputRefused where there is none."""
    datasets = [read_dataset(folder) for folder in flags.pool]
    refuse_twice(datasets)
    prefixes = prefixes_of(datasets, prefix=flags.prefix)
    joined = join_tables(datasets, prefixes=prefixes)
    filtered = Counter[str]()
    table = joined.table
    if flags.where is not None:
        table = select_rows(Dataset(folder=datasets[0].folder, card=datasets[0].card, rows=joined), flags.where)
        filtered["query"] = joined.table.num_rows - table.num_rows
    rows = table.sort_by("id").to_pylist()
    for reason, is_left_out in RULES.items():
        left = [row for row in rows if not is_left_out(row)]
        filtered[reason] += len(rows) - len(left)
        rows = left
    filtered["limit"] = max(0, len(rows) - (run.limit or len(rows)))
    chosen = [row["id"] for row in rows[: run.limit]]
    pool = Pool(datasets=datasets, prefixes=prefixes, joined=joined, chosen=chosen, filtered=filtered)
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
    held = [_measured(read_dataset(folder)) for folder in tests]
    own = [_part(pool, number=number) for number in range(len(pool.datasets))]
    kept = apart([part.table for part in own], held_out=[part.table for part in held])
    left = [replace(part, rows=InMemory(table)) for part, table in zip(own, kept, strict=True)]
    copies = _copies(left, of=held, looks=looks, run=run)
    ids = {
        pool.prefixes[number] + id_
        for number, part in enumerate(left)
        for id_ in part.table["id"].to_pylist()
        if (number, id_) not in copies
    }
    chosen = [id_ for id_ in pool.chosen if id_ in ids]
    filtered = {**pool.filtered, IN_TEST: len(pool.chosen) - len(chosen)}
    found = replace(pool, chosen=chosen, filtered=filtered)
    return found if chosen else refuse_empty(found)


def _measured(dataset: Dataset) -> Dataset:
    tested = of_split(dataset.table, "test")
    return replace(dataset, rows=InMemory(tested)) if len(tested) else dataset


def _part(pool: Pool, *, number: int) -> Dataset:
    """Return the chosen rows of one of the datasets, with the ids that they have there."""
    dataset, prefix = pool.datasets[number], pool.prefixes[number]
    own = {id_.removeprefix(prefix) for id_ in pool.chosen if pool.joined.owner[id_] == number}
    return replace(dataset, rows=InMemory(of_ids(dataset.table, own)))


def _copies(parts: Sequence[Dataset], *, of: Sequence[Dataset], looks: Path, run: RunOptions) -> set[tuple[int, str]]:
    """Return the samples whose image is a copy of one of others, by the number of their dataset and their id."""
    number = sum(len(part) for part in (*parts, *of))
    with progress_bar("prelabel, copies of test images", total=number, run=run) as show:
        options = LookOptions(folder=looks, is_kept=not run.dry_run, runner=run.runner, progress=show)
        return copies_among(parts, of=of, options=options)
