"""What a simulation found: mIoU by number of labels for each strategy, over its seeds, and the area under the curve."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.operations.leak_groups import batches_of
from models.evaluation.score_table import columns_of
from models.evaluation.summaries import group_numbers
from models.metrics.seeds import SeedComparison, Share, Spread, compare_over_seeds, share_over_seeds, spread_of
from models.metrics.summary import summarise
from reports.experiments.ablation_table import UNKNOWN, change_text, image_mious, spread_text

RANDOM: Final = "random"
NONE_RIGHT: Final[Mapping[int, pa.Table]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curve:
    """One strategy with one seed: the scores of the test images by number of labels, and why it ended early.

    Where labels were made wrong, `labels` are those that were looked at, and `found` are the wrong ones among them.
    """

    strategy: str
    seed: int
    labels: Sequence[int] = ()
    scores: Sequence[pa.Table] = ()
    found: Sequence[int] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """How many labels brought what all labels brought when chosen at random: over the seeds in which they did, and of
    how many seeds these are; `share` is their mean, of all labels."""

    labels: Spread | None
    share: float | None
    seeds: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StrategyRow:
    """A strategy over its seeds: the mIoU for each number of labels, and the area under that curve.

    The area is that of the trapezoids, by the width of the curve: the mean mIoU on the way. `change` compares it with
    that of `random`, image by image with the same seeds; None of `random` itself, as is what was `needed`. `changes` do
    so with the mIoU for each number of labels.

    Where labels were made wrong, `found` are those that were corrected in the end, and `recovered` is what share of the
    gap between these labels and right ones that brought.
    """

    strategy: str
    miou: Sequence[Spread | None]
    area: Spread | None
    change: SeedComparison | None
    changes: Sequence[SeedComparison | None]
    needed: Needed | None
    found: Spread | None
    recovered: Share | None
    problems: dict[int, str]


def rows_of_curves(
    curves: Sequence[Curve], *, labels: Sequence[int], seed: int, right: Mapping[int, pa.Table] = NONE_RIGHT
) -> list[StrategyRow]:
    """Return a row for each strategy, `random` first; areas are those of curves that came to the end.

    `right` are the scores with all labels right, by seed, where labels were made wrong. Every interval is drawn with a
    generator of its own from `seed`.
    """
    names = sorted({curve.strategy for curve in curves}, key=lambda name: (name != RANDOM, name))
    whole = {
        name: {one.seed: one for one in curves if one.strategy == name and list(one.labels) == list(labels)}
        for name in names
    }
    return [
        StrategyRow(
            strategy=name,
            miou=[spread_of(_at(one, labels=number) for one in curves if one.strategy == name) for number in labels],
            area=spread_of(area([_miou(table) for table in one.scores], at=labels) for one in whole[name].values()),
            change=None if name == RANDOM else _compared(whole[RANDOM], whole[name], of=_areas, seed=seed),
            changes=[
                None if name == RANDOM else _compared(whole[RANDOM], whole[name], of=partial(_point, at=at), seed=seed)
                for at in range(len(labels))
            ],
            needed=None if name == RANDOM else _needed(whole[RANDOM], whole[name], labels=labels),
            found=spread_of(one.found[-1] for one in whole[name].values() if one.found),
            recovered=_recovered(whole[name], right=right, seed=seed),
            problems={one.seed: one.problem for one in curves if one.strategy == name and one.problem},
        )
        for name in names
    ]


def area(values: Sequence[float] | NDArray[np.float64], *, at: Sequence[int]) -> Any:
    """Return the area under a curve by its width; of several curves, (points, n), that of each.

    >>> area([0.5, 0.7, 0.7], at=[10, 20, 40])
    0.6666666666666666
    """
    points = np.asarray(values, dtype=np.float64)
    found = np.trapezoid(points, x=np.asarray(at, dtype=np.float64), axis=0) / (at[-1] - at[0])
    return float(found) if points.ndim == 1 else found


def labels_needed(values: Sequence[float], *, at: Sequence[int], goal: float) -> float | None:
    """Return from how many labels on a curve has reached a goal, on the straight lines between its points.

    >>> labels_needed([0.5, 0.75, 0.6], at=[10, 20, 40], goal=0.625), labels_needed([0.5, 0.6], at=[10, 20], goal=0.625)
    (15.0, None)
    """
    if values[0] >= goal:
        return float(at[0])
    points = list(zip(values, at, strict=True))
    for (low, before), (high, after) in pairwise(points):
        if high >= goal:
            return before + (goal - low) / (high - low) * (after - before)
    return None


def curves_csv(curves: Sequence[Curve]) -> bytes:
    """Return every point of every curve as CSV."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["strategy", "seed", "labels", "miou", "std", "boundary_iou", "hole_recall"])
    for curve in curves:
        for labels, table in zip(curve.labels, curve.scores, strict=True):
            found = summarise(columns_of(table))
            numbers = (found.miou_image, found.std, found.boundary_iou, found.hole_recall)
            writer.writerow([curve.strategy, curve.seed, labels, *numbers])
    return stream.getvalue().encode()


def strategy_cells(rows: Sequence[StrategyRow], *, labels: Sequence[int]) -> tuple[list[str], list[list[str]]]:
    """Return headings and cells as people read them: the area, its change, and the mIoU by number of labels."""
    head = [
        "selection",
        "area",
        "change in area",
        "95 % interval",
        "seeds that gained",
        "labels for random's last mIoU",
    ]
    is_mended = any(row.found is not None for row in rows)
    head += ["wrong labels found", "gap recovered"] if is_mended else []
    cells = [
        [
            row.strategy,
            spread_text(row.area),
            *change_text(row.change),
            UNKNOWN if row.change is None else f"{row.change.gained} of {len(row.change.differences)}",
            needed_text(row.needed),
            *((_found_text(row.found), recovered_text(row.recovered)) if is_mended else ()),
            *(spread_text(found) for found in row.miou),
        ]
        for row in rows
    ]
    return [*head, *(f"{number} labels" for number in labels)], cells


def change_cells(rows: Sequence[StrategyRow], *, labels: Sequence[int]) -> tuple[list[str], list[list[str]]]:
    """Return headings and cells of the change in mIoU against random, for each number of labels after the first."""
    head = ["selection", *(f"{number} labels" for number in labels[1:])]
    compared = [row for row in rows if any(row.changes)]
    return head, [[row.strategy, *map(_change_cell, row.changes[1:])] for row in compared]


def recovered_text(found: Share | None) -> str:
    """Return a share of a gap as text; of one that may be chance there is no interval.

    >>> recovered_text(Share(value=0.75, low=0.6, high=0.9)), recovered_text(Share(value=1.8, low=None, high=None))
    ('75 % (60 to 90 %)', '180 % (no interval)')
    """
    if found is None or found.value is None:
        return UNKNOWN
    interval = (
        "no interval"
        if found.low is None or found.high is None
        else f"{100 * found.low:.0f} to {100 * found.high:.0f} %"
    )
    return f"{100 * found.value:.0f} % ({interval})"


def strategy_data(row: StrategyRow, *, labels: Sequence[int]) -> dict[str, Any]:
    """Return a row as data for JSON."""
    return {
        "strategy": row.strategy,
        "miou": [
            {"labels": number, **({} if found is None else asdict(found))}
            for number, found in zip(labels, row.miou, strict=True)
        ],
        "area": None if row.area is None else asdict(row.area),
        "change": None if row.change is None else asdict(row.change),
        "changes": [None if one is None else asdict(one) for one in row.changes],
        "needed": None if row.needed is None else asdict(row.needed),
        "wrong_found": None if row.found is None else asdict(row.found),
        "recovered": None if row.recovered is None else asdict(row.recovered),
        "problems": {str(seed): reason for seed, reason in row.problems.items()},
    }


def _compared(
    first: dict[int, Curve], second: dict[int, Curve], *, of: Callable[..., NDArray[np.float64]], seed: int
) -> SeedComparison | None:
    """Compare a number of each test image, which `of` gives of a curve."""
    seeds = sorted(first.keys() & second.keys())
    if not seeds:
        return None
    like = first[seeds[0]].scores[0]
    before, after = (np.stack([of(curves[one], like=like) for one in seeds]) for curves in (first, second))
    return compare_over_seeds(
        before, second=after, rng=np.random.default_rng(seed), groups=group_numbers(batches_of(like))
    )


def _needed(first: dict[int, Curve], second: dict[int, Curve], *, labels: Sequence[int]) -> Needed | None:
    seeds = sorted(first.keys() & second.keys())
    if not seeds:
        return None
    found = [
        labels_needed(
            [_miou(table) for table in second[one].scores], at=labels, goal=_miou(first[one].scores[len(labels) - 1])
        )
        for one in seeds
    ]
    spread = spread_of(found)
    return Needed(labels=spread, share=None if spread is None else spread.mean / labels[-1], seeds=len(seeds))


def needed_text(needed: Needed | None) -> str:
    """Return how many labels are needed as text, with their share of all."""
    if needed is None:
        return UNKNOWN
    if needed.labels is None:
        return f"not reached in {needed.seeds} seeds"
    reached = len(needed.labels.values)
    told = f"{needed.labels.mean:.0f} ({100 * (needed.share or 0):.0f} %)"
    return told + ("" if reached == needed.seeds else f", in {reached} of {needed.seeds} seeds")


def _recovered(curves: dict[int, Curve], *, right: Mapping[int, pa.Table], seed: int) -> Share | None:
    seeds = sorted(curves.keys() & right.keys())
    if not seeds:
        return None
    like = right[seeds[0]]
    given, reached = (np.stack([_point(curves[one], like=like, at=at) for one in seeds]) for at in (0, -1))
    whole = np.stack([image_mious(right[one], like=like) for one in seeds]) - given
    return share_over_seeds(reached - given, whole=whole, seed=seed, groups=group_numbers(batches_of(like)))


def _point(curve: Curve, *, like: pa.Table, at: int) -> NDArray[np.float64]:
    """Return the mIoU of every test image at one point of a curve, (images,)."""
    return image_mious(curve.scores[at], like=like)


def _change_cell(found: SeedComparison | None) -> str:
    difference, interval = change_text(found)
    both = None if found is None else found.overall
    return difference if both is None else f"{difference} ({interval})"


def _found_text(found: Spread | None) -> str:
    return UNKNOWN if found is None else f"{found.mean:.1f}" + ("" if found.std is None else f" ± {found.std:.1f}")


def _areas(curve: Curve, *, like: pa.Table) -> NDArray[np.float64]:
    """Return the area under the curve of every test image, (images,)."""
    points = np.stack([image_mious(table, like=like) for table in curve.scores])
    return np.asarray(area(points, at=list(curve.labels)), dtype=np.float64)


def _at(curve: Curve, *, labels: int) -> float | None:
    found = dict(zip(curve.labels, curve.scores, strict=True)).get(labels)
    return None if found is None else summarise(columns_of(found)).miou_image


def _miou(table: pa.Table) -> float:
    found = summarise(columns_of(table)).miou_image
    return float("nan") if found is None else found
