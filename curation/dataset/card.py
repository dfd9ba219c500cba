"""The card of a dataset, `dataset.json`, and the counting that stands in it."""

from __future__ import annotations

from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from typing import Any, Final

import msgspec

from curation.dataset.sample import Outcome, Plan, Source
from curation.short_repr import short_repr

CARD: Final = "dataset.json"
QUARANTINE: Final = "quarantine.jsonl"
KEPT: Final = "curate.parquet"
"""Beside a data set in another tool's form: the rows of which `curate convert` made it."""
FORMAT: Final = 2
"""Of the datasets that are written now."""


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the inputs of one command; every input is counted once."""

    considered: int
    selected: int
    filtered: dict[str, int]
    quarantined: dict[str, int]

    def __post_init__(self) -> None:
        """Assert the conservation law: nothing is lost and nothing is counted twice."""
        total = self.selected + sum(self.filtered.values()) + sum(self.quarantined.values())
        assert self.considered == total, f"{self.considered} considered, but {total} accounted for"


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a manifest in parts: its SHA-256, its number of rows, and the ids of its first and its last."""

    name: str
    sha256: str
    rows: int
    first_id: str
    last_id: str


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """`dataset.json`: what made the dataset, from what, and what was left out.

    `run` identifies command, settings and sources. `records` counts broken parts of inputs by code (say, single
    annotations); the inputs themselves are in `counts`. `notes` are facts that a command wants kept.
    `manifest_sha256` is of the one file, or, where the manifest is in `parts`, of their SHA-256s, one a line.
    `quarantine_lines` counts the lines of `quarantine.jsonl`; None in cards of earlier versions.
    Card and manifest are two files, and the card is written first. While a finished dataset is changed its card holds
    the card before it as `previous`, which counts for as long as the manifest is the old one.
    In datasets of `format` 1 sources, groups and licences mean something in their own file only: see `old_rows`.
    """

    name: str
    command: str
    settings: dict[str, Any]
    tool_version: str
    run: str
    sources: list[Source]
    licenses: dict[str, int]
    counts: Counts
    records: dict[str, int] = {}
    notes: dict[str, Any] = {}
    parents: list[str] = []
    manifest_sha256: str = ""
    parts: list[Part] | msgspec.UnsetType = msgspec.UNSET
    quarantine_lines: int | None = None
    format: int = 1
    previous: Card | msgspec.UnsetType = msgspec.UNSET

    __repr__ = short_repr

    def __post_init__(self) -> None:
        """Refuse a list of parts that is none: by names, by the order of ids, or by the number of rows."""
        if self.parts is msgspec.UNSET:
            return
        if not self.parts or sum(part.rows for part in self.parts) != self.counts.selected:
            raise ValueError("the parts hold other samples than are counted")
        for number, part in enumerate(self.parts):
            if part.name != part_name(number):
                raise ValueError(f"part {number} is called {part.name!r}")
        for one, other in pairwise(self.parts):
            if one.last_id >= other.first_id:
                raise ValueError(f"{other.name} begins with {other.first_id!r}, before the end of {one.name}")

    def least_lines(self) -> int:
        """Return how many lines `quarantine.jsonl` must hold; where they were not counted, one for each code."""
        if self.quarantine_lines is not None:
            return self.quarantine_lines
        return len(self.counts.quarantined.keys() | self.records.keys())


def part_name(number: int) -> str:
    """Return the name of a part of a manifest.

    >>> part_name(7)
    'part-00007.parquet'
    """
    return f"part-{number:05d}.parquet"


def counts_of(plan: Plan, *, tally: Tally) -> Counts:
    """Return the counts of a plan and of what its items became."""
    planned = Counter(str(record.code) for record in plan.quarantined)
    return Counts(
        considered=plan.considered,
        selected=tally.selected,
        filtered=dict(sorted((Counter(plan.filtered) + tally.filtered).items())),
        quarantined=dict(sorted((planned + tally.quarantined).items())),
    )


class Tally:
    """What the items of a plan became so far."""

    def __init__(self) -> None:
        self.selected = 0
        self.filtered: Counter[str] = Counter()
        self.quarantined: Counter[str] = Counter()

    def add(self, outcome: Outcome) -> None:
        """Count one outcome."""
        if outcome.filtered is not None:
            self.filtered[outcome.filtered] += 1
        elif outcome.broken is not None:
            self.quarantined[str(outcome.broken)] += 1
        else:
            self.selected += 1

    def by_kind(self) -> Counter[str]:
        """Return the three numbers that a progress line shows."""
        return Counter(selected=self.selected, filtered=self.filtered.total(), quarantined=self.quarantined.total())


def tool_version() -> str:
    """Return the version of this tool."""
    try:
        return version("portrait-curate")
    except PackageNotFoundError:
        return "unknown"
