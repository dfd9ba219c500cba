"""Trainings side by side: as many processes as workers, one thread each, and none is left behind."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from curation.building.local_engine import LOCAL
from curation.errors import EnvironmentProblem, InputRefused
from pipelines.command_line.options import RunOptions
from pipelines.experiments.simulate import simulate
from pipelines.experiments.simulation_plan import planned_simulation
from pipelines.experiments.simulation_processes import side_by_side
from pipelines.experiments.simulation_steps import Simulation
from tests.models.data.discs import disc_dataset
from tests.pipelines.experiments.test_simulate import NAMES, ROWS, RUN, flags

TWO = RunOptions(workers=2, device="cpu", quiet=True)


@pytest.fixture
def whole(tmp_path: Path) -> Simulation:
    disc_dataset(tmp_path / "discs", NAMES, rows=ROWS)
    return planned_simulation(flags(tmp_path / "discs"), run=RUN)


def place_of(number: int, *, simulation: Simulation, run: RunOptions) -> tuple[int, int, int, bool, int]:
    """Say where a task ran, with how many threads, on what."""
    return (
        number,
        os.getpid(),
        torch.get_num_threads(),
        run.machines is LOCAL and run.workers == 0,
        len(simulation.seeds),
    )


def broken(error: BaseException | None, *, simulation: Simulation, run: RunOptions) -> None:
    """Raise an error, or die."""
    if error is None:
        os._exit(9)
    raise error


def test_each_task_has_one_thread_in_whatever_process(whole: Simulation) -> None:
    before = torch.get_num_threads()
    tasks = [partial(place_of, number) for number in range(5)]
    here = side_by_side(tasks, simulation=whole, run=RUN, name="test")
    there = side_by_side(tasks, simulation=whole, run=TWO, name="test")
    for found in (here, there):
        assert [one[0] for one in found] == [0, 1, 2, 3, 4]
        assert {one[2:] for one in found} == {(1, True, 1)}
    assert {one[1] for one in here} == {os.getpid()} and os.getpid() not in {one[1] for one in there}
    assert torch.get_num_threads() == before


def test_what_stops_all_ends_every_process(whole: Simulation) -> None:
    for error, kind in ((InputRefused("no"), InputRefused), (None, EnvironmentProblem)):
        tasks: list[Any] = [partial(broken, error), *(partial(place_of, number) for number in range(3))]
        with pytest.raises(kind):
            side_by_side(tasks, simulation=whole, run=TWO, name="test")
        assert not [one for one in psutil.Process().children() if "spawn_main" in " ".join(one.cmdline())]


@pytest.mark.nightly
def test_two_processes_find_what_one_finds(tmp_path: Path) -> None:
    disc_dataset(tmp_path / "discs", NAMES, rows=ROWS)
    written = []
    for run in (RUN, TWO):
        out = tmp_path / f"out-{run.workers}"
        simulate(flags(tmp_path / "discs", out=out, select=("uncertainty", "diverse"), rounds=2, budget=1), run=run)
        written.append((out / "simulation.csv").read_bytes())
    assert written[0] == written[1]
