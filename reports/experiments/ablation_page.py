"""The page of an ablation: what each arm changes, what that is worth, and how sure it is. A single offline file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from curation.storage.files import write_durable
from models.metrics.comparison import RESAMPLES
from models.metrics.seeds import LEAST_SEEDS, SeedComparison
from reports.experiments.ablation_table import ArmRow, table_cells
from reports.page.figures import forests
from reports.page.templates import refuse_other_page, rendered_page

NEEDED: Final = f"How much of a difference is chance shows from {LEAST_SEEDS} seeds on, the same in both; add seeds."


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmFacts:
    """A row of the table, and what was trained: the change of settings, samples of each stage, optimizer steps."""

    row: ArmRow
    change: Mapping[str, Any]
    samples: Sequence[int]
    steps: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TestFacts:
    """A test set: its name, how many images are measured, and the hash of its manifest."""

    __test__ = False
    name: str
    images: int
    manifest_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AblationReport:
    """What the page of an ablation tells."""

    title: str
    arms: Sequence[ArmFacts]
    test: Sequence[TestFacts]
    seeds: Sequence[int]
    warnings: Sequence[str]
    command: str


def write_ablation_page(report: AblationReport, *, out: Path) -> None:
    """Write the page to the file `out`; raises InputRefused when that is a file of something else."""
    refuse_other_page(out)
    rows = [arm.row for arm in report.arms]
    head, cells = table_cells(rows)
    marks = forests([None if row.change is None else row.change.overall for row in rows])
    page = rendered_page(
        "ablation.html.j2",
        kind="ablation",
        title=report.title,
        report=report,
        told=verdict(rows),
        head=head,
        rows=[
            {"cells": line, "forest": mark, "kind": "loses" if arm.row.problems else "", "arm": arm}
            for arm, line, mark in zip(report.arms, cells, marks, strict=True)
        ],
        changes=[
            [(key, json.dumps(value, ensure_ascii=False)) for key, value in arm.change.items()] for arm in report.arms
        ],
        resamples=RESAMPLES,
    )
    write_durable(out, page.encode())


def verdict(rows: Sequence[ArmRow]) -> tuple[str, str]:
    """Say in a line, and in a sentence, which arms differ from the first one: by intervals over seeds and images."""
    known = {row.name: row.change for row in rows[1:] if row.change is not None}
    signs = {name: sign_of(change) for name, change in known.items()}
    failed = [row.name for row in rows if not row.seeds]
    if not rows or not rows[0].seeds:
        return "Nothing can be compared", "The first arm, which the others are compared with, failed."
    if not known:
        return "There is nothing to compare with", ""
    if set(signs.values()) == {"few"}:
        return "Too few seeds to compare", NEEDED
    words = {"better": "better", "worse": "worse", "few": "with too few seeds to compare"}
    groups = [(word, [name for name, sign in signs.items() if sign == kind]) for kind, word in words.items()]
    told = [f"{len(names)} {word}: {'; '.join(names)}" for word, names in (*groups, ("failed", failed)) if names]
    head = f"{len(groups[0][1])} of {len(known)} arms better than the first, {rows[0].name}"
    return head, ". ".join(
        told
    ) + "." if told else "Seeds and test images show no difference between any arm and the first one."


def sign_of(change: SeedComparison) -> Literal["better", "worse", "open", "few"]:
    """Say what the interval over seeds and images shows: open where it holds 0, few where there is none."""
    if change.overall is None or change.overall.low is None or change.overall.high is None:
        return "few"
    low, high = change.overall.low, change.overall.high
    return "better" if low > 0 else "worse" if high < 0 else "open"
