"""The page of a simulation: how good a network becomes by the number of labels, for each way to choose them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from curation.storage.files import write_durable
from models.metrics.comparison import RESAMPLES
from models.metrics.seeds import Spread
from reports.experiments.ablation_page import NEEDED, sign_of
from reports.experiments.ablation_table import spread_text
from reports.experiments.simulation_table import StrategyRow, change_cells, needed_text, recovered_text, strategy_cells
from reports.page.figures import Chart, forests, lines
from reports.page.templates import refuse_other_page, rendered_page

RIGHT: Final = "all labels right"


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationReport:
    """What the page of a simulation tells; `facts` are short texts by name, such as the number of test images.

    With a share of `wrong` labels, `labels` are how many were looked at, and `right` is the mIoU with all labels right.
    """

    title: str
    rows: Sequence[StrategyRow]
    labels: Sequence[int]
    seeds: Sequence[int]
    facts: Mapping[str, str]
    settings: str
    command: str
    wrong: float | None = None
    right: Spread | None = None
    right_problems: Mapping[int, str] = field(default_factory=dict)
    with_teacher: bool = False


def write_simulation_page(report: SimulationReport, *, out: Path) -> None:
    """Write the page to the file `out`; raises InputRefused when that is a file of something else."""
    refuse_other_page(out)
    head, cells = strategy_cells(report.rows, labels=report.labels)
    marks = forests([None if row.change is None else row.change.overall for row in report.rows])
    page = rendered_page(
        "simulation.html.j2",
        kind="simulation",
        title=report.title,
        report=report,
        told=verdict(report.rows),
        best=best_of(report.rows),
        head=head,
        rows=[{"cells": line, "forest": mark} for line, mark in zip(cells, marks, strict=True)],
        figure=_figure(report),
        names=[row.strategy for row in report.rows],
        keys=[*(row.strategy for row in report.rows), *([] if report.right is None else [RIGHT])],
        changes=change_cells(report.rows, labels=report.labels),
        right=spread_text(report.right),
        problems=[
            *((row.strategy, seed, why) for row in report.rows for seed, why in row.problems.items()),
            *((RIGHT, seed, why) for seed, why in report.right_problems.items()),
        ],
        resamples=RESAMPLES,
    )
    write_durable(out, page.encode())


def verdict(rows: Sequence[StrategyRow]) -> tuple[str, str]:
    """Say in a line, and in a sentence, which strategies beat random: by intervals over seeds and images."""
    signs = {row.strategy: sign_of(row.change) for row in rows if row.change is not None}
    if not signs:
        return "Nothing can be compared with random", ""
    if set(signs.values()) == {"few"}:
        return "Too few seeds to compare", NEEDED
    words = {"better": "Better than random", "worse": "Worse than random", "few": "With too few seeds to compare"}
    groups = {kind: [name for name, sign in signs.items() if sign == kind] for kind in words}
    told = [f"{words[kind]}: {', '.join(names)}" for kind, names in groups.items() if names]
    head = f"{len(groups['better'])} of {len(signs)} selections better than random"
    return head, ". ".join(
        told
    ) + "." if told else "Seeds and test images show no difference between any selection and random."


def best_of(rows: Sequence[StrategyRow]) -> str:
    """Say which selection recovers most of the gap that wrong labels leave, or needs the fewest labels for what random
    reaches in the end with every seed; nothing where none does, or seeds are too few."""
    shares = {row: row.recovered.value for row in rows if row.recovered is not None and row.recovered.low is not None}
    if shares:
        row = max(shares, key=lambda row: shares[row] or 0.0)
        return f"{row.strategy} recovers {recovered_text(row.recovered)} of what wrong labels cost."
    needed = {
        row: row.needed.share
        for row in rows
        if row.needed is not None
        and row.needed.labels is not None
        and len(row.needed.labels.values) == row.needed.seeds
    }
    if not needed or all(row.change is None or row.change.overall is None for row in needed):
        return ""
    row = min(needed, key=lambda row: needed[row] or 0.0)
    return f"Labels for what random reaches in the end: {needed_text(row.needed)} by {row.strategy}."


def _figure(report: SimulationReport) -> Chart:
    """Return the curves with a band of a standard deviation to each side, each point with its text.

    Where all labels were right once, that is a level line, the last.
    """
    rows, labels = report.rows, report.labels
    series = [[_mean(one) for one in row.miou] for row in rows]
    series += [] if report.right is None else [[report.right.mean] * len(labels)]
    chart = lines(
        series,
        names=("labels" if report.wrong is None else "labels looked at", "mIoU"),
        bands=[
            ([_mean(one) - _std(one) for one in row.miou], [_mean(one) + _std(one) for one in row.miou]) for row in rows
        ],
        texts=[""] * len(labels),
    )
    ticks = tuple(replace(tick, text=str(labels[int(tick.text) - 1])) for tick in chart.x_ticks)
    drawn = []
    for line, row in zip(chart.lines, rows):
        known = [(number, one) for number, one in zip(labels, row.miou, strict=True) if one is not None]
        texts = [f"{row.strategy}, {number} labels: {one.mean:.4f}" for number, one in known]
        dots = tuple((x, y, text) for (x, y, _), text in zip(line.dots, texts, strict=True))
        drawn.append(replace(line, dots=dots))
    drawn += [replace(line, dots=()) for line in chart.lines[len(rows) :]]
    return replace(chart, x_ticks=ticks, lines=tuple(drawn))


def _mean(found: Spread | None) -> float:
    return float("nan") if found is None else found.mean


def _std(found: Spread | None) -> float:
    return 0.0 if found is None or found.std is None else found.std
