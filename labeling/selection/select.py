"""Which samples a person should look at next, when there is time for a limited number. Pure and seeded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Strategy: TypeAlias = Literal["threshold", "uncertainty", "verdict", "views", "diverse", "mixed", "random"]
COVERING: Final = frozenset({"diverse", "mixed"})
"""Those that compare images by features."""
Prefill: TypeAlias = Literal["auto", "prediction", "label", "none"]
"""The mask that a person starts from."""
STRATEGIES: Final[dict[Strategy, str]] = {
    "threshold": "the lowest mIoU first",
    "uncertainty": "the most uncertain outline first; needs no labels",
    "verdict": "labels that look wrong first, then ambiguous ones, then errors of the model",
    "views": "those whose mirrored or shrunk views the model sees most differently; needs no labels",
    "diverse": "samples that together cover all others best, by the model's own features",
    "mixed": "30 % as diverse, the rest as threshold, or as uncertainty where nothing has a label",
    "random": "any",
}
URGENCY: Final = ("label_error", "ambiguous", "model_error", "boundary_only", "ok")
"""Verdicts in the order in which `verdict` selects them."""
COVERAGE: Final = 0.3
"""Share of the budget that `mixed` chooses as `diverse` does. A convention; `curate simulate` compares strategies."""
Row: TypeAlias = Mapping[str, Any]
"""One row of `scores.parquet`, with a verdict where there is one."""
Features: TypeAlias = NDArray[np.float32]
"""(n, d) float32: a vector of length d for each sample, made by a model from its image."""


def select(
    rows: Sequence[Row],
    *,
    strategy: Strategy,
    budget: int,
    rng: np.random.Generator,
    features: Features | None = None,
) -> list[str]:
    """Return the ids of at most `budget` samples, the first to look at first.

    `diverse` and `mixed` need the features of all rows. What is not finite comes first under every strategy that goes
    by scores; a missing score is the last. The order of the rows does not matter.
    """
    order = sorted(range(len(rows)), key=lambda index: str(rows[index]["id"]))
    rows = [rows[index] for index in order]
    features = None if features is None else features[order]
    ranked = _ranked(rows, strategy=strategy, budget=min(budget, len(rows)), rng=rng, features=features)
    return [str(rows[index]["id"]) for index in ranked[:budget]]


def k_centre(features: Features, *, count: int, first: int) -> list[int]:
    """Return `count` rows of (n, d) features, each the farthest from those before it, from `first` on.

    Source: Gonzalez (1985), whose largest distance to a chosen row is at most twice the best possible; as in Sener and
    Savarese (2018), "Active learning for convolutional neural networks: a core-set approach".

    >>> k_centre(np.float32([[0], [1], [10]]), count=2, first=0)
    [0, 2]
    """
    chosen = [first] if count and len(features) else []
    distance = np.full(len(features), np.inf)
    while len(chosen) < min(count, len(features)):
        distance = np.minimum(distance, np.square(features - features[chosen[-1]]).sum(axis=1))
        distance[chosen] = -1
        chosen.append(int(distance.argmax()))
    return chosen


def _ranked(
    rows: Sequence[Row], *, strategy: Strategy, budget: int, rng: np.random.Generator, features: Features | None
) -> list[int]:
    everything = range(len(rows))
    if strategy == "random":
        return [int(index) for index in rng.permutation(len(rows))]
    if strategy in KEYS:
        return sorted(everything, key=lambda index: KEYS[strategy](rows[index]))
    assert features is not None and len(features) == len(rows), "diverse and mixed need the features of all rows"
    if not rows:
        return []
    # in a pool no sample has an mIoU
    worst = sorted(everything, key=lambda index: (by_miou(rows[index]), by_uncertainty(rows[index])))
    share = 1.0 if strategy == "diverse" else COVERAGE
    covering = k_centre(features, count=round(share * budget), first=worst[0])
    return covering + [index for index in worst if index not in set(covering)]


def by_miou(row: Row) -> tuple[int, float]:
    """Return the key that sorts by mIoU, lowest first."""
    if not row["is_finite"]:
        return (0, 0.0)
    return (1, row["miou"]) if row["miou"] is not None else (2, 0.0)


def by_uncertainty(row: Row) -> tuple[int, float]:
    """Return the key that sorts by the uncertainty along the outline, highest first."""
    return _highest(row, name="uncertainty_boundary")


def by_views(row: Row) -> tuple[int, float]:
    """Return the key that sorts by how far the views of an image disagree, highest first."""
    return _highest(row, name="view_disagreement")


def by_verdict(row: Row) -> tuple[int, float]:
    """Return the key that sorts by verdict; wrong labels by doubt, or how much is contradicted; others by mIoU."""
    if not row["is_finite"]:
        return (-1, 0.0)
    found = row.get("verdict")
    if found == "label_error":
        doubt = row.get("label_doubt")
        return (0, -((row.get("contradicted") or 0.0) if doubt is None else doubt))
    return (URGENCY.index(found) if found in URGENCY else len(URGENCY), by_miou(row)[1])


def _highest(row: Row, *, name: str) -> tuple[int, float]:
    if not row["is_finite"]:
        return (0, 0.0)
    return (1, -row[name]) if row[name] is not None else (2, 0.0)


KEYS: Final[dict[str, Callable[[Row], tuple[int, float]]]] = {
    "threshold": by_miou,
    "uncertainty": by_uncertainty,
    "verdict": by_verdict,
    "views": by_views,
}
