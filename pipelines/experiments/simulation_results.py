"""What a simulation leaves: its curves as a page, as CSV and as JSON."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

import msgspec

from curation.storage.files import write_durable
from models.training.settings_text import settings_text
from pipelines.experiments.run_simulation import Simulation
from reports.experiments.ablation_table import aligned
from reports.experiments.simulation_page import SimulationReport, write_simulation_page
from reports.experiments.simulation_table import Curve, curves_csv, rows_of_curves, strategy_cells, strategy_data

JSON, CSV, PAGE, SETTINGS = "simulation.json", "simulation.csv", "simulation.html", "settings.yaml"


def write_results(curves: Sequence[Curve], *, simulation: Simulation, seed: int) -> dict[str, Any]:
    """Write the curves in their forms, and give `simulation.json`, with the table as `lines` of text."""
    labels, out = simulation.labels, simulation.out
    rows = rows_of_curves(curves, labels=labels, seed=seed)
    told = {
        "command": "simulate",
        "out": str(out),
        "labels": labels,
        "seeds": list(simulation.seeds),
        "pool": len(simulation.pool.ids),
        "left_out": simulation.pool.left_out,
        "test": {one.name: len(one.rows) for one in simulation.sets},
        "validation": list(simulation.settings.val),
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
    )
    write_durable(out / SETTINGS, report.settings.encode())
    write_durable(out / CSV, curves_csv(curves))
    write_simulation_page(report, out=out / PAGE)
    write_durable(out / JSON, msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n")
    return told | {"lines": aligned(*strategy_cells(rows, labels=labels))}


def _facts(simulation: Simulation) -> dict[str, str]:
    tests = sum(len(one.rows) for one in simulation.sets)
    return {
        "hidden labels": f"{len(simulation.pool.ids):,}",
        "first labels": f"{simulation.start:,}",
        "added by a round": f"{simulation.budget:,}",
        "test images": f"{tests:,}",
    }


def _command(simulation: Simulation) -> str:
    """Return the command; the settings of the training lie beside the page."""
    words: list[object] = ["curate", "simulate", "--data", *(one.folder for one in simulation.pool.datasets)]
    words += ["--test", *(one.data for one in simulation.test), "--val", *simulation.settings.val]
    words += ["--start", simulation.start, "--budget", simulation.budget, "--rounds", simulation.rounds]
    words += ["--select", *simulation.strategies, "--seeds", *simulation.seeds]
    return shlex.join(map(str, [*words, "--config", simulation.out / SETTINGS, "--out", simulation.out]))
