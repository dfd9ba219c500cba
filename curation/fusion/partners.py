"""Which person may stand behind another in a fused sample: a foreground of the same split, but of another group."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from curation.fusion.background_splits import split_of
from curation.fusion.fuse import generator_for
from curation.operations.leak_groups import leak_groups


@dataclass(frozen=True, slots=True, kw_only=True)
class Partners:
    """Foregrounds by split, in the order of group and id, with the group of each; and all groups by id."""

    rows: Mapping[str, Sequence[dict[str, Any]]]
    groups: Mapping[str, Sequence[str]]
    group_of: Mapping[str, str]


def partners_among(foregrounds: pa.Table) -> Partners:
    """Sort foregrounds by split and group, where equal images are of one group."""
    rows: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    groups: defaultdict[str, list[str]] = defaultdict(list)
    found = zip(leak_groups(foregrounds), foregrounds.to_pylist(), strict=True)
    for group, row in sorted(found, key=lambda one: (one[0], one[1]["id"])):
        rows[split_of(row)].append(row)
        groups[split_of(row)].append(group)
    named = {row["id"]: group for split in rows for row, group in zip(rows[split], groups[split], strict=True)}
    return Partners(rows=rows, groups=groups, group_of=named)


def draw_second(
    row: Mapping[str, Any], number: int, *, partners: Partners, share: float, seed: int
) -> dict[str, Any] | None:
    """Draw who stands behind a foreground in its fused sample `number`: somebody in a `share` of all, else None.

    None as well where the split has no other group. With a larger share the same samples keep the same persons.
    """
    rng = generator_for(f"second of {row['id']}", seed=seed, number=number)
    if rng.random() >= share:
        return None
    groups, own = partners.groups[split_of(row)], partners.group_of[row["id"]]
    start, stop = bisect_left(groups, own), bisect_right(groups, own)
    others = len(groups) - (stop - start)
    if not others:
        return None
    drawn = int(rng.integers(others))
    return partners.rows[split_of(row)][drawn if drawn < start else drawn + stop - start]
