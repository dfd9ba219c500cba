"""What a simulation leaves: its curves as a page, as CSV and as JSON."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from typing import Any

import msgspec

from curation.storage.files import write_durable
from models.evaluation.score_table import columns_of
from models.metrics.seeds import spread_of
from models.metrics.summary import summarise
from models.training.settings_text import settings_text
from pipelines.experiments.run_simulation import Simulated
from pipelines.experiments.simulation_steps import MODEL, Simulation
from reports.experiments.ablation_table import aligned, spread_text
from reports.experiments.simulation_page import RIGHT, SimulationReport, write_simulation_page
from reports.experiments.simulation_table import curves_csv, rows_of_curves, strategy_cells, strategy_data
from reports.rounds.read_evaluation import read_history

JSON, CSV, PAGE, SETTINGS = "simulation.json", "simulation.csv", "simulation.html", "settings.yaml"


def write_results(found: Simulated, *, simulation: Simulation, seed: int) -> dict[str, Any]:
    """Write the curves in their forms, and give `simulation.json`, with the table as `lines` of text."""
    labels, out = simulation.labels, simulation.out
    rows = rows_of_curves(found.curves, labels=labels, seed=seed, right=found.right)
    right = spread_of(summarise(columns_of(table)).miou_image for table in found.right.values())
    told = {
        "command": "simulate",
        "out": str(out),
        "labels": labels,
        "seeds": list(simulation.seeds),
        "pool": len(simulation.pool.ids),
        "left_out": simulation.pool.left_out,
        "test": {one.name: len(one.rows) for one in simulation.sets},
        "validation": list(simulation.settings.val),
        "wrong": simulation.wrong,
        "right": None if right is None else asdict(right),
        "right_problems": {str(seed): reason for seed, reason in found.problems.items()},
        "teachers": [one.name for one in simulation.teachers],
        "strategies": [strategy_data(row, labels=labels) for row in rows],
    }
    report = SimulationReport(
        title=f"Simulated labeling of {', '.join(one.folder.resolve().name for one in simulation.pool.datasets)}",
        rows=rows,
        labels=labels,
        seeds=simulation.seeds,
        facts=_facts(simulation),
        settings=settings_text(simulation.settings).decode(),
        command=_command(simulation),
        wrong=simulation.wrong,
        right=right,
        right_problems=found.problems,
        with_teacher=bool(simulation.teachers),
    )
    write_durable(out / SETTINGS, report.settings.encode())
    write_durable(out / CSV, curves_csv(found.curves))
    write_simulation_page(report, out=out / PAGE)
    write_durable(out / JSON, msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n")
    lines = aligned(*strategy_cells(rows, labels=labels))
    return told | {"lines": lines if right is None else [*lines, f"{RIGHT}: {spread_text(right)}"]}


def trained_minutes(simulation: Simulation) -> float:
    """Return the minutes of all trainings in the folder, those of earlier sittings as well, one after the other."""
    runs = simulation.out.glob(f"seed-*/**/{MODEL}")
    return sum(float(epoch["seconds"]) for run in runs for epoch in read_history(run)) / 60


def _facts(simulation: Simulation) -> dict[str, str]:
    tests = sum(len(one.rows) for one in simulation.sets)
    pool, budget = f"{len(simulation.pool.ids):,}", f"{simulation.budget:,}"
    facts = {"hidden labels": pool, "first labels": f"{simulation.start:,}", "added by a round": budget}
    if simulation.wrong is not None:
        facts = {"labels": pool, "of them wrong": f"{100 * simulation.wrong:.0f} %", "looked at in a round": budget}
    facts |= {"teachers": ", ".join(one.name for one in simulation.teachers)} if simulation.teachers else {}
    return facts | {"test images": f"{tests:,}"}


def _command(simulation: Simulation) -> str:
    """Return the command; the settings of the training lie beside the page."""
    words: list[object] = ["curate", "simulate", "--data", *(one.folder for one in simulation.pool.datasets)]
    words += ["--test", *(one.data for one in simulation.test), "--val", *simulation.settings.val]
    words += ["--start", simulation.start] if simulation.wrong is None else ["--wrong", simulation.wrong]
    words += ["--budget", simulation.budget, "--rounds", simulation.rounds]
    words += ["--teacher", *(one.path for one in simulation.teachers)] if simulation.teachers else []
    words += ["--select", *simulation.strategies, "--seeds", *simulation.seeds]
    return shlex.join(map(str, [*words, "--config", simulation.out / SETTINGS, "--out", simulation.out]))
