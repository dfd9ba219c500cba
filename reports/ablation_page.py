"""The page of an ablation: what each arm changes, what that is worth, and how sure it is. A single offline file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from curation.files import write_durable
from models.metrics.comparison import RESAMPLES
from models.metrics.seeds import SeedComparison
from reports.ablation_table import ArmRow, table_cells
from reports.figures import forests
from reports.run_report import refuse_foreign, rendered_page


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
    refuse_foreign(out)
    rows = [arm.row for arm in report.arms]
    head, cells = table_cells(rows)
    marks = forests([None if row.change is None else row.change.images for row in rows])
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
    """Say in a line, and in a sentence, which arms differ from the first one: by the images, and with every seed."""
    known = {row.name: row.change for row in rows[1:] if row.change is not None}
    signs = {name: sign_of(change) for name, change in known.items()}
    failed = [row.name for row in rows if not row.seeds]
    if not rows or not rows[0].seeds:
        return "Nothing can be compared", "The first arm, which the others are compared with, failed."
    if not known:
        return "There is nothing to compare with", ""
    words = {"better": "better", "worse": "worse", "mixed": "where the images and the seeds do not agree"}
    groups = [(word, [name for name, sign in signs.items() if sign == kind]) for kind, word in words.items()]
    told = [f"{len(names)} {word}: {'; '.join(names)}" for word, names in (*groups, ("failed", failed)) if names]
    head = f"{len(groups[0][1])} of {len(known)} arms better than the first, {rows[0].name}"
    return head, ". ".join(told) + "." if told else "The test images do not tell any arm from the first one."


def sign_of(change: SeedComparison) -> Literal["better", "worse", "mixed", "open"]:
    """Say what a comparison shows: open where the interval holds 0, mixed where some seeds say otherwise."""
    low, high = change.images.low, change.images.high
    if low is None or high is None or low <= 0 <= high:
        return "open"
    if low > 0:
        return "better" if change.gained == len(change.differences) else "mixed"
    return "worse" if change.gained == 0 else "mixed"
