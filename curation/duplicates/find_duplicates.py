"""Copies among pictures: the same file, the same pixels in another file, near-duplicates; and what hangs together.

A picture that cannot be read is no copy of anything, and neither are two of them of each other.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
import pyarrow as pa

from curation.duplicates.fingerprint_dataset import Looks, Picture
from curation.duplicates.near_duplicates import Alike, NearSearch
from curation.operations.clusters import Clusters
from curation.storage.parquet import parquet_bytes

Kind: TypeAlias = Literal["file", "pixels", "near", "mirrored"]
KINDS: Final[tuple[Kind, ...]] = ("file", "pixels", "near", "mirrored")
"""`mirrored` copies are near ones of which one is a mirror image, upside down, or both."""
HELD_OUT: Final = ("test", "val", "train")
"""The most carefully kept split first."""
PAIRS_EACH: Final = 20
"""Near pairs that are listed of one picture; a thousand frames of one film would make half a million."""
INDEX_ABOVE: Final = 200_000
"""So many pictures are compared with each other as far as is needed to find all pairs; of more an index finds most."""
PROBES: Final = 16
"""Cells of the index that each crop looks into."""
CHECKED: Final = 1000
"""Pictures of which all pairs are found, to tell how many of them the index finds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two pictures by their numbers, the one that is held out first, and how they are copies of each other."""

    first: int
    second: int
    kind: Kind
    distance: float
    is_leak: bool
    is_across: bool
    """Of two datasets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """Of how many near pairs of how many pictures, drawn at random, an index found how many."""

    pictures: int
    pairs: int
    found: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Duplicates:
    """The pairs of copies among `pictures`, those that matter most first, and the clusters that they form.

    `clusters` are whole, also where `unlisted` pairs of very many alike pictures are left out of `pairs`.
    `recall` is there where an index looked for near pairs.
    """

    pictures: Sequence[Picture]
    pairs: Sequence[Pair]
    clusters: Sequence[Sequence[int]]
    unlisted: int
    recall: Recall | None = None

    def counts(self) -> dict[str, int]:
        """Return the numbers of a report."""
        kinds = Counter(pair.kind for pair in self.pairs)
        return {
            "exact": kinds["file"] + kinds["pixels"],
            "exact_files": kinds["file"],
            "exact_pixels": kinds["pixels"],
            "near": kinds["near"] + kinds["mirrored"] + self.unlisted,
            "near_mirrored": kinds["mirrored"],
            "leaks": sum(pair.is_leak for pair in self.pairs),
            "across_datasets": sum(pair.is_across for pair in self.pairs),
            "clusters": len(self.clusters),
            "clusters_across_splits": sum(
                len(splits_of(cluster, pictures=self.pictures)) > 1 for cluster in self.clusters
            ),
            "copies": sum(len(cluster) - 1 for cluster in self.clusters),
        }


def find_duplicates(
    pictures: Sequence[Picture], *, seen: Looks, index_above: int = INDEX_ABOVE, probes: int = PROBES
) -> Duplicates:
    """Find all copies among pictures that were looked at, of more than `index_above` most near ones.

    Of pictures that are equal, each is paired with one of them, the one that is held out; only that one is compared
    with other pictures.
    """
    clusters = Clusters[int]()
    pairs: list[Pair] = []
    chosen: list[int] = []
    readable = [number for number, pixels in enumerate(seen.pixels) if pixels is not None]
    for equal in _alike_by(readable, keys=seen.pixels):
        first, *others = sorted(equal, key=lambda number: _rank(pictures[number]))
        chosen.append(first)
        for other in others:
            is_file = pictures[first].sha256 == pictures[other].sha256
            pairs.append(_pair(first, other, pictures=pictures, kind="file" if is_file else "pixels"))
            clusters.join(first, second=other)
    chosen.sort()
    search = NearSearch(seen.looks[chosen])
    is_index = len(chosen) > index_above
    checking = _Checking(search, number=len(chosen)) if is_index else None
    alike = search.pairs(probes=probes if is_index else None)
    told = alike if checking is None else checking.seen(alike)
    near, unlisted = _near_pairs(pictures, chosen=chosen, alike=told, clusters=clusters)
    found = clusters.groups()
    across = {number for cluster in found if len(splits_of(cluster, pictures=pictures)) > 1 for number in cluster}
    pairs = sorted([*pairs, *near], key=lambda pair: _weight(pair, pictures=pictures, across=across))
    recall = None if checking is None else checking.recall()
    return Duplicates(pictures=pictures, pairs=pairs, clusters=found, unlisted=unlisted, recall=recall)


def pairs_file(found: Duplicates, *, names: Sequence[str]) -> bytes:
    """Return the pairs as a Parquet file, in their order; `names` are those of the datasets."""
    number_of = {number: index for index, cluster in enumerate(found.clusters) for number in cluster}
    columns: dict[str, pa.Array] = {
        "kind": pa.array([pair.kind for pair in found.pairs], pa.string()),
        "distance": pa.array([pair.distance for pair in found.pairs], pa.float64()),
        "is_leak": pa.array([pair.is_leak for pair in found.pairs], pa.bool_()),
        "cluster": pa.array([number_of[pair.first] for pair in found.pairs], pa.int32()),
    }
    for side in ("first", "second"):
        shown = [found.pictures[getattr(pair, side)] for pair in found.pairs]
        columns[f"{side}_dataset"] = pa.array([names[picture.dataset] for picture in shown], pa.string())
        columns[f"{side}_id"] = pa.array([picture.id for picture in shown], pa.string())
        columns[f"{side}_split"] = pa.array([picture.split for picture in shown], pa.string())
    return parquet_bytes(pa.table(columns))


def _alike_by(numbers: Iterable[int], *, keys: Sequence[Hashable]) -> Iterator[list[int]]:
    found: defaultdict[Hashable, list[int]] = defaultdict(list)
    for number in numbers:
        found[keys[number]].append(number)
    yield from found.values()


class _Checking:
    """Compares the near pairs of some pictures, drawn at random, with all that there are."""

    def __init__(self, search: NearSearch, *, number: int) -> None:
        self._numbers = np.random.default_rng(0).choice(number, min(number, CHECKED), replace=False)
        self._missing = {pair[:2] for pair in search.pairs_of(self._numbers)}
        self._pairs = len(self._missing)

    def seen(self, alike: Iterable[Alike]) -> Iterator[Alike]:
        """Yield the same pairs, and note which are found."""
        for pair in alike:
            self._missing.discard(pair[:2])
            yield pair

    def recall(self) -> Recall:
        """Return the counts, once all pairs were seen."""
        return Recall(pictures=len(self._numbers), pairs=self._pairs, found=self._pairs - len(self._missing))


def _near_pairs(
    pictures: Sequence[Picture], *, chosen: Sequence[int], alike: Iterable[Alike], clusters: Clusters[int]
) -> tuple[list[Pair], int]:
    """Return the near pairs that are listed, and the number of others; all are joined."""
    pairs, unlisted = [], 0
    listed: Counter[int] = Counter()
    for one, other, distance, turn in alike:
        first, second = chosen[one], chosen[other]
        clusters.join(first, second=second)
        if min(listed[first], listed[second]) >= PAIRS_EACH:
            unlisted += 1
            continue
        listed.update((first, second))
        pairs.append(_pair(first, second, pictures=pictures, kind="mirrored" if turn else "near", distance=distance))
    return pairs, unlisted


def _pair(one: int, other: int, *, pictures: Sequence[Picture], kind: Kind, distance: float = 0.0) -> Pair:
    first, second = sorted((one, other), key=lambda number: _rank(pictures[number]))
    splits = pictures[first].split, pictures[second].split
    return Pair(
        first=first,
        second=second,
        kind=kind,
        distance=round(distance, 4),
        is_leak=None not in splits and splits[0] != splits[1],
        is_across=pictures[first].dataset != pictures[second].dataset,
    )


def _rank(picture: Picture) -> tuple[int, int, str]:
    rank = HELD_OUT.index(picture.split) if picture.split in HELD_OUT else len(HELD_OUT)
    return rank, picture.dataset, picture.id


def _weight(pair: Pair, *, pictures: Sequence[Picture], across: set[int]) -> tuple[object, ...]:
    """Return what pairs are sorted by: leaks first, then pairs of two datasets, then exact before near."""
    return (
        not pair.is_leak,
        pair.first not in across,  # a leak through a third picture, say one without a split
        not pair.is_across,
        KINDS.index(pair.kind),
        pair.distance,
        *_rank(pictures[pair.first]),
        *_rank(pictures[pair.second]),
    )


def splits_of(cluster: Sequence[int], *, pictures: Sequence[Picture]) -> set[str]:
    """Return the splits that a cluster lies in."""
    return {split for number in cluster if (split := pictures[number].split) is not None}
