"""The gate: whether a challenger takes the place of the champion, and if not, which images speak against it.

Nothing is read or written here. A gain has to be shown by the paired bootstrap over images, or, where a rule allows it,
that no loss larger than a bound is likely; and no slice with enough images may lose more than its bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, TypeAlias

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.errors import InputRefused
from curation.operations.leak_groups import batches_of
from models.evaluation.slices import SLICES, SliceName, slices_of
from models.evaluation.summaries import group_numbers, row_keys
from models.metrics.comparison import Comparison, compare_paired

SHOWN: Final = 20
"""So many images that speak against the challenger are named."""
SETS: Final = "data set"
LEAST_IMAGES: Final = 2
"""The bootstrap of one image has no width at all."""
NAMED: Final = 3
"""So many samples of a changed test set are named; the others are counted."""
THAW: Final = (
    "restore the data set, with `curate label undo` where a pull changed it; or, to measure on the new one from now "
    "on, delete its entry in test-sets.json of the workspace: the rounds before it can then not be compared with those "
    "after it"
)

Reason: TypeAlias = Literal["gain", "no_loss", "same", "too_few", "slice_loss", "loss", "no_gain"]


class GateRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a challenger is promoted; all numbers are of mIoU.

    By a gain: the interval of the mean difference lies above 0, and the difference is at least `min_gain`. Or, where
    `max_loss` is set, by no loss: the interval lies above -`max_loss`. Either way no slice of at least `min_images`
    images may lose more than `max_slice_loss` on average; with fewer images in all, nothing is promoted.
    `confidence` is that of the intervals.
    """

    min_gain: float = 0.0
    max_loss: float | None = None
    max_slice_loss: float = 0.02
    min_images: int = 10
    confidence: float = 0.95

    def __post_init__(self) -> None:
        """Refuse numbers that decide nothing."""
        for name, value in (("min_gain", self.min_gain), ("max_loss", self.max_loss or 0.0)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must be from 0 to 1 - got {value}")
        if not 0 <= self.max_slice_loss <= 1:
            raise ValueError(f"max_slice_loss must be from 0 to 1 - got {self.max_slice_loss}")
        if not 0.5 <= self.confidence < 1:
            raise ValueError(f"confidence must be from 0.5 to below 1, such as 0.95 - got {self.confidence}")
        if self.min_images < LEAST_IMAGES:
            raise ValueError(f"min_images must be {LEAST_IMAGES} or more - got {self.min_images}")


class SliceChange(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a slice: what changes in it, whether it has enough images to count, and whether it loses too much."""

    name: str
    value: str
    comparison: Comparison
    counts: bool
    loses: bool


class Offence(msgspec.Struct, frozen=True, kw_only=True):
    """An image on which the challenger is worse: its mIoU before and after, and the losing slices that hold it."""

    dataset: str
    id: str
    champion: float
    challenger: float
    slices: tuple[str, ...]


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate says: promoted or not, why, in one sentence, and the numbers that it rests on."""

    is_promoted: bool
    reason: Reason
    sentence: str
    rules: GateRules
    overall: Comparison
    slices: tuple[SliceChange, ...]
    offences: tuple[Offence, ...]


def decide(
    champion: pa.Table,
    *,
    challenger: pa.Table,
    rules: GateRules,
    slices: Sequence[SliceName] = SLICES,
    seed: int = 0,
) -> Decision:
    """Decide by the scores of both models on the same images.

    An image without a finite prediction counts as an mIoU of 0: a model does not get better by failing on what is hard.
    Raises InputRefused when the tables are of other images.
    """
    before, after = _paired(champion, challenger=challenger)
    groups = group_numbers(batches_of(challenger))

    def compared(where: NDArray[np.bool_]) -> Comparison:
        rng = np.random.default_rng(seed)
        return compare_paired(
            before[where], second=after[where], rng=rng, groups=groups[where], confidence=rules.confidence
        )

    overall = compared(np.ones(after.size, dtype=np.bool_))
    parts = _parts(challenger, slices=slices)
    changes = tuple(
        _change(compared(where), name=name, value=value, rules=rules) for (name, value), where in parts.items()
    )
    reason = _reason(overall, changes=changes, rules=rules)
    is_promoted = reason in {"gain", "no_loss"}
    losing = {(one.name, one.value): parts[one.name, one.value] for one in changes if one.loses}
    return Decision(
        is_promoted=is_promoted,
        reason=reason,
        sentence=_sentence(reason, overall=overall, changes=changes, rules=rules),
        rules=rules,
        overall=overall,
        slices=changes,
        offences=()
        if is_promoted
        else _offences(challenger, before=before, after=after, losing=losing, is_whole=reason != "slice_loss"),
    )


def refuse_changed_sets(frozen: Mapping[str, Mapping[str, str]], *, found: Mapping[str, Mapping[str, str]]) -> None:
    """Raise InputRefused, naming samples, when a test set is not what it was when it was frozen, or is missing.

    Both map the name of a set to its samples: each id to the SHA-256 of what decides a measurement of it.
    """
    for name, before in frozen.items():
        if name not in found:
            raise InputRefused("this frozen test set is not measured on any more", where=name, remedy=THAW)
        now = found[name]
        changes = {
            "another label, image or group": [id_ for id_ in before if id_ in now and before[id_] != now[id_]],
            "not in it any more": [id_ for id_ in before if id_ not in now],
            "new in it": [id_ for id_ in now if id_ not in before],
        }
        if told := [f"{what}: {_named(ids)}" for what, ids in changes.items() if ids]:
            raise InputRefused(f"the test set changed; {'; '.join(told)}", where=name, remedy=THAW)


def _named(ids: Sequence[str]) -> str:
    """Name the first samples, and count the others.

    >>> _named(["a", "b", "c", "d"])
    'a, b, c and 1 other'
    """
    others = len(ids) - NAMED
    return ", ".join(ids[:NAMED]) + (f" and {others} other{'s' * (others > 1)}" if others > 0 else "")


def _paired(champion: pa.Table, *, challenger: pa.Table) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mIoU of both models in the order of the challenger's rows."""
    theirs, ours = row_keys(champion), row_keys(challenger)
    if other := sorted(set(theirs) ^ set(ours)):
        dataset, name = other[0]
        raise InputRefused(
            f"champion and challenger were scored on other images: {len(other)} have a score of one alone, e.g. {name}",
            where=dataset,
            remedy="evaluate both on the same data with `curate evaluate --baseline`, and repair what is quarantined",
        )
    scores = dict(zip(theirs, _counted(champion), strict=True))
    return np.array([scores[key] for key in ours], dtype=np.float64), np.array(_counted(challenger), dtype=np.float64)


def _counted(table: pa.Table) -> list[float | None]:
    rows = zip(table["miou"].to_pylist(), table["is_finite"].to_pylist(), strict=True)
    return [miou if is_finite else 0.0 for miou, is_finite in rows]


def _parts(table: pa.Table, *, slices: Sequence[SliceName]) -> dict[tuple[str, str], NDArray[np.bool_]]:
    found: dict[str, dict[str, NDArray[np.bool_]]] = {
        name: dict(one) for name, one in slices_of(table, names=slices).items()
    }
    sets = np.array(table["dataset"].to_pylist(), dtype=object)
    found[SETS] = {name: np.asarray(sets == name, dtype=np.bool_) for name in sorted(set(sets.tolist()))}
    # a slice of one part is the whole, which has its own rule
    return {(name, value): where for name, parts in found.items() if len(parts) > 1 for value, where in parts.items()}


def _change(found: Comparison, *, name: str, value: str, rules: GateRules) -> SliceChange:
    counts = found.images >= rules.min_images
    loses = counts and found.difference is not None and found.difference < -rules.max_slice_loss
    return SliceChange(name=name, value=value, comparison=found, counts=counts, loses=loses)


def _reason(overall: Comparison, *, changes: Sequence[SliceChange], rules: GateRules) -> Reason:
    if overall.images < rules.min_images or overall.difference is None or overall.low is None or overall.high is None:
        return "too_few"
    if overall.equal == 1:
        return "same"
    is_gain = overall.low > 0 and overall.difference >= rules.min_gain
    is_no_loss = rules.max_loss is not None and overall.low >= -rules.max_loss
    if not is_gain and not is_no_loss:  # the whole decides before its parts
        return "loss" if overall.high < 0 else "no_gain"
    if any(one.loses for one in changes):
        return "slice_loss"
    return "gain" if is_gain else "no_loss"


def _sentence(reason: Reason, *, overall: Comparison, changes: Sequence[SliceChange], rules: GateRules) -> str:
    numbers = (
        ""
        if overall.difference is None
        else (
            f"{overall.difference:+.4f} mIoU on {overall.images} images "
            f"({rules.confidence:.0%} interval {overall.low:+.4f} to {overall.high:+.4f})"
        )
    )
    parts = [(-(one.comparison.difference or 0), f"{one.name} {one.value}") for one in changes if one.loses]
    losing = ", ".join(f"{name} by {loss:.4f}" for loss, name in sorted(parts, reverse=True))
    also = f" It also loses too much on {losing} (allowed {rules.max_slice_loss:g})." if losing else ""
    allowed = "" if rules.max_loss is None else f", and a loss of more than {rules.max_loss:g} is not excluded"
    least = f" of at least {rules.min_gain:g}" if rules.min_gain else ""
    return {
        "gain": f"The challenger is better: {numbers}.",
        "no_loss": f"The challenger is not worse by more than {rules.max_loss or 0:g}: {numbers}.",
        "same": "The two models score the same on every image, so that there is nothing to promote.",
        "too_few": f"{overall.images} images are too few to decide on; the rules ask for {rules.min_images}.",
        "slice_loss": f"It loses too much on {losing} (allowed {rules.max_slice_loss:g}); overall {numbers}.",
        "loss": f"The challenger is worse: {numbers}.{also}",
        "no_gain": f"A gain{least} is not shown{allowed}: {numbers}.{also}",
    }[reason]


def _offences(
    table: pa.Table,
    *,
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    losing: Mapping[tuple[str, str], NDArray[np.bool_]],
    is_whole: bool,
) -> tuple[Offence, ...]:
    """Return the largest losses: of the whole, or of the slices that lose too much, whichever decided.

    `before` and `after` are the mIoU of each row, (n,) in 0..1; `losing` has a mask (n,) for each slice.
    """
    change = after - before
    is_meant = np.ones(change.size, dtype=np.bool_) if is_whole else np.any(list(losing.values()), axis=0)
    keys = row_keys(table)
    worst = sorted((index for index in np.flatnonzero(is_meant & (change < 0))), key=lambda i: (change[i], keys[i]))
    return tuple(
        Offence(
            dataset=keys[index][0],
            id=keys[index][1],
            champion=float(before[index]),
            challenger=float(after[index]),
            slices=tuple(f"{name} {value}" for (name, value), where in losing.items() if where[index]),
        )
        for index in worst[:SHOWN]
    )
