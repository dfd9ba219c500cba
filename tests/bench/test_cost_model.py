"""The model on paper: its laws, and that the page shows what it prints."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.bench.cost_model import Inputs, costs_of, table
from tests.places import REPOSITORY


def test_the_page_on_many_samples_shows_the_table() -> None:
    assert table(Inputs()) in (REPOSITORY / "docs/scale.md").read_text()


def test_by_hand() -> None:
    """A million samples of 1 MB in and 0.25 MB out, on ten machines of four processors that are always busy."""
    inputs = Inputs(
        samples=1e6,
        nodes=10,
        cores=4,
        processor_ms=100,
        head_ms=0.1,
        read_kb=1000,
        written_kb=150,
        photograph_kb=100,
        files_read=2,
        files_written=3,
        busy=1,
        gigabit=1,
        node_hour=2,
        get_thousand=0.001,
        put_thousand=0.01,
        gigabyte_month=0.02,
    )
    costs = costs_of(inputs)
    assert (costs.processors_s, costs.network_s, costs.head_s) == pytest.approx((2500, 1000, 100))
    assert costs.machines == pytest.approx(2500 / 3600 * 20)
    assert (costs.gets, costs.puts, costs.lists) == (2e6, 3e6, 2000)
    assert costs.requests == pytest.approx(2000 * 0.001 + 3002 * 0.01)
    assert costs.storage_month == pytest.approx(250 * 0.02)


def test_twice_the_machines_take_half_the_time_until_the_command_itself_decides() -> None:
    few, more, most = (costs_of(replace(Inputs(), nodes=nodes)) for nodes in (5, 10, 100_000))
    assert few.seconds == pytest.approx(2 * more.seconds) and few.machines == pytest.approx(more.machines)
    assert most.seconds == most.head_s
