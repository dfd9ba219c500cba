"""The table of an ablation: one row for each arm, over its seeds, with what it changes against the first."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.operations.leak_groups import batches_of
from models.evaluation.score_table import columns_of
from models.evaluation.summaries import group_numbers, row_keys
from models.metrics.seeds import SeedComparison, Spread, compare_over_seeds, spread_of
from models.metrics.summary import Summary, summarise

UNKNOWN: Final = "–"
TOO_FEW: Final = "too few seeds to compare"
HEADINGS: Final = {
    "miou": "mIoU",
    "std": "Std over images",
    "boundary_iou": "Boundary IoU",
    "hole_recall": "Hole recall",
}
SUMMARY_NAMES: Final = {
    "miou": "miou_image",
    "std": "std",
    "boundary_iou": "boundary_iou",
    "hole_recall": "hole_recall",
}
"""What each number of the table is called in a summary of scores."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ArmScores:
    """One arm: the scores of the test images for each seed that ended well, and why others did not."""

    name: str
    scores: Mapping[int, pa.Table]
    problems: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmRow:
    """One row: each number over the seeds, the mIoU of each test set, and the change against the first arm.

    `change` is None of the first arm, and where the two have no seed in common.
    """

    name: str
    seeds: tuple[int, ...]
    numbers: Mapping[str, Spread | None]
    sets: Mapping[str, Spread | None]
    not_finite: int
    change: SeedComparison | None
    problems: Mapping[int, str]


def rows_of(arms: Sequence[ArmScores], *, seed: int) -> list[ArmRow]:
    """Return the rows; every interval is drawn with a generator of its own from `seed`.

    Seeds that only one of two arms has are left out of their comparison.
    """
    return [_row(arm, first=None if arm is arms[0] else arms[0], seed=seed) for arm in arms]


def compare_arms(first: ArmScores, *, second: ArmScores, seed: int) -> SeedComparison | None:
    """Compare the mIoU of the same images with the same seeds; None where the two have no seed in common."""
    seeds = sorted(first.scores.keys() & second.scores.keys())
    if not seeds:
        return None
    like = first.scores[seeds[0]]
    before, after = (np.stack([image_mious(arm.scores[one], like=like) for one in seeds]) for arm in (first, second))
    return compare_over_seeds(
        before, second=after, rng=np.random.default_rng(seed), groups=group_numbers(batches_of(like))
    )


def csv_text(rows: Sequence[ArmRow]) -> bytes:
    """Return the table as CSV: full numbers, a column each for mean and standard deviation."""
    stream = io.StringIO()
    names = [f"{name}_{part}" for name in HEADINGS for part in ("mean", "std")]
    sets = [f"miou_{name}_mean" for name in _set_names(rows)]
    change = ["difference", "low", "high", "seeds_gained"]
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["arm", "seeds", *names, *sets, *change, "problems"])
    for row in rows:
        spreads = [row.numbers[name] for name in HEADINGS]
        numbers = [value for one in spreads for value in ((one.mean, one.std) if one else (None, None))]
        means = [one.mean if one else None for one in (row.sets.get(name) for name in _set_names(rows))]
        found = row.change
        told = [None] * 4 if found is None else [*_interval(found), found.gained]
        writer.writerow([row.name, len(row.seeds), *numbers, *means, *told, "; ".join(row.problems.values())])
    return stream.getvalue().encode()


def markdown_text(rows: Sequence[ArmRow]) -> bytes:
    """Return the table as Markdown."""
    head, cells = table_cells(rows)
    lines = [head, ["---"] * len(head), *cells]
    return "".join(f"| {' | '.join(_inert(cell) for cell in line)} |\n" for line in lines).encode()


def aligned(head: Sequence[str], cells: Sequence[Sequence[str]]) -> list[str]:
    """Return a table for a terminal, one line a row.

    >>> aligned(["a", "b"], [["long", "c"]])
    ['a     b', 'long  c']
    """
    widths = [max(len(line[column]) for line in (head, *cells)) for column in range(len(head))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in (head, *cells)]


def table_cells(rows: Sequence[ArmRow]) -> tuple[list[str], list[list[str]]]:
    """Return the headings and the cells of each row, as people read them: first what tells one arm from another."""
    sets = _set_names(rows)
    miou, *others = HEADINGS
    head = ["arm", HEADINGS[miou], "change in mIoU", "95 % interval", "seeds that gained"]
    cells = [
        [
            row.name,
            spread_text(row.numbers[miou]),
            *change_text(row.change),
            told_gain(row),
            *(spread_text(row.numbers[name]) for name in others),
            *(spread_text(row.sets.get(name)) for name in sets),
        ]
        for row in rows
    ]
    return [*head, *(HEADINGS[name] for name in others), *(f"mIoU {name}" for name in sets)], cells


def spread_text(found: Spread | None) -> str:
    """Return a number over seeds as text.

    >>> spread_text(Spread(mean=0.91, std=0.002, values=(0.909, 0.911)))
    '0.9100 ± 0.0020'
    """
    if found is None:
        return UNKNOWN
    return f"{found.mean:.4f}" + ("" if found.std is None else f" ± {found.std:.4f}")


def change_text(found: SeedComparison | None) -> tuple[str, str]:
    """Return a difference, and its interval over seeds and images, as texts."""
    if found is None or found.images.difference is None:
        return UNKNOWN, UNKNOWN
    both = found.overall
    return f"{found.images.difference:+.4f}", TOO_FEW if both is None else f"{both.low:+.4f} to {both.high:+.4f}"


def told_gain(row: ArmRow) -> str:
    """Say how many seeds gained, of how many that could be compared."""
    if row.change is None:
        return UNKNOWN if row.seeds else "failed"
    return f"{row.change.gained} of {len(row.change.differences)}"


def row_data(row: ArmRow) -> dict[str, Any]:
    """Return a row as data for JSON."""
    return {
        "name": row.name,
        "seeds": list(row.seeds),
        **{name: None if found is None else asdict(found) for name, found in row.numbers.items()},
        "sets": {name: None if found is None else asdict(found) for name, found in row.sets.items()},
        "not_finite": row.not_finite,
        "change": None if row.change is None else asdict(row.change),
        "problems": {str(seed): reason for seed, reason in row.problems.items()},
    }


def _row(arm: ArmScores, *, first: ArmScores | None, seed: int) -> ArmRow:
    seeds = tuple(sorted(arm.scores))
    whole = [summarise(columns_of(arm.scores[one])) for one in seeds]
    names = sorted({name for one in seeds for name in arm.scores[one]["dataset"].to_pylist()})
    return ArmRow(
        name=arm.name,
        seeds=seeds,
        numbers={
            name: spread_of(getattr(summary, other) for summary in whole) for name, other in SUMMARY_NAMES.items()
        },
        sets={name: spread_of(_of_set(arm.scores[one], name=name).miou_image for one in seeds) for name in names},
        not_finite=sum(summary.not_finite for summary in whole),
        change=None if first is None else compare_arms(first, second=arm, seed=seed),
        problems=dict(arm.problems),
    )


def _of_set(table: pa.Table, *, name: str) -> Summary:
    return summarise(columns_of(table.filter(pa.array([one == name for one in table["dataset"].to_pylist()]))))


def image_mious(table: pa.Table, *, like: pa.Table) -> NDArray[np.float64]:
    """Return the mIoU of the images of another table, in its order; NaN where there is none."""
    found = dict(zip(row_keys(table), columns_of(table)["miou"].tolist(), strict=True))
    return np.array([found.get(key, np.nan) for key in row_keys(like)], dtype=np.float64)


def _set_names(rows: Sequence[ArmRow]) -> list[str]:
    """Return the test sets where there are several; of one alone the numbers are those of the whole."""
    names = sorted({name for row in rows for name in row.sets})
    return names if len(names) > 1 else []


def _interval(found: SeedComparison) -> tuple[float | None, ...]:
    both = found.overall
    return found.images.difference, *((None, None) if both is None else (both.low, both.high))


def _inert(cell: str) -> str:
    """Return a text that stays in its cell, and is no markup."""
    for character in "\\|<>[]*_`":
        cell = cell.replace(character, f"\\{character}")
    return " ".join(cell.split())
