"""What an import of very many samples on a cluster takes, on paper: time, network, requests and money.

`python -m tests.bench.cost_model` prints the table of docs/scale.md; every number it rests on is an option. Those of
one sample are measured by `python -m tests.bench costs`; prices and machines are examples, which yours replace.
"""

from __future__ import annotations

import argparse
import dataclasses
from dataclasses import dataclass, field
from typing import Any, Final

HOUR_S: Final = 3600
LISTED_AT_ONCE: Final = 1000
"""Names that one request for a list gives."""


def told(default: float, meaning: str) -> Any:
    """Return a field that is an option too."""
    return field(default=default, metadata={"help": meaning})


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What the model rests on."""

    samples: float = told(10e6, "samples")
    nodes: float = told(50, "machines")
    cores: float = told(16, "processors of each")
    processor_ms: float = told(28.2, "measured: milliseconds of one processor for a sample")
    head_ms: float = told(0.06, "measured: milliseconds of the command itself for a sample: journal and manifest")
    read_kb: float = told(460, "measured: kB read for a sample")
    written_kb: float = told(41, "measured: kB written for a sample, the photograph aside")
    photograph_kb: float = told(112, "measured: kB of the photograph, which is copied where it cannot be linked")
    files_read: float = told(2, "files read for a sample")
    files_written: float = told(4, "files written for a sample")
    busy: float = told(0.8, "share of its time that a processor works on samples")
    gigabit: float = told(10, "gigabits a second of each machine's network")
    node_hour: float = told(0.80, "price of a machine for an hour")
    get_thousand: float = told(0.0004, "price of a thousand requests that read")
    put_thousand: float = told(0.005, "price of a thousand requests that write, or list")
    gigabyte_month: float = told(0.023, "price of a gigabyte for a month")


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What it takes: seconds, bytes, requests, and money in the unit of the prices."""

    processors_s: float
    network_s: float
    head_s: float
    read_bytes: float
    written_bytes: float
    gets: float
    puts: float
    lists: float
    machines: float
    requests: float
    storage_month: float

    @property
    def seconds(self) -> float:
        """The slowest of the three decides: they work at the same time."""
        return max(self.processors_s, self.network_s, self.head_s)


def costs_of(inputs: Inputs) -> Costs:
    """Return what an import takes; every file of a sample is one request, and the photograph is copied.

    >>> costs = costs_of(Inputs(samples=1000, nodes=2, cores=5, processor_ms=10, busy=0.5, head_ms=1))
    >>> costs.processors_s, costs.head_s, costs.seconds, costs.gets, costs.puts
    (2.0, 1.0, 2.0, 2000, 4000)
    """
    read = inputs.samples * inputs.read_kb * 1e3
    written = inputs.samples * (inputs.written_kb + inputs.photograph_kb) * 1e3
    gets, puts = inputs.samples * inputs.files_read, inputs.samples * inputs.files_written
    lists = -(-gets // LISTED_AT_ONCE)
    processors_s = inputs.samples * inputs.processor_ms / 1e3 / (inputs.nodes * inputs.cores * inputs.busy)
    network_s = (read + written) * 8 / (inputs.nodes * inputs.gigabit * 1e9)
    head_s = inputs.samples * inputs.head_ms / 1e3
    return Costs(
        processors_s=processors_s,
        network_s=network_s,
        head_s=head_s,
        read_bytes=read,
        written_bytes=written,
        gets=gets,
        puts=puts,
        lists=lists,
        machines=max(processors_s, network_s, head_s) / HOUR_S * inputs.nodes * inputs.node_hour,
        requests=(gets * inputs.get_thousand + (puts + lists) * inputs.put_thousand) / 1e3,
        storage_month=written / 1e9 * inputs.gigabyte_month,
    )


def table(inputs: Inputs) -> str:
    """Return the costs as a Markdown table."""
    costs = costs_of(inputs)
    rows = {
        "time": f"{costs.seconds / 60:,.0f} minutes",
        "of it: processors": f"{costs.processors_s / 60:,.1f} minutes",
        "network": f"{costs.network_s / 60:,.1f} minutes",
        "the command itself": f"{costs.head_s / 60:,.1f} minutes",
        "read": f"{costs.read_bytes / 1e12:,.2f} TB, {costs.gets:,.0f} requests, {costs.lists:,.0f} for lists",
        "written": f"{costs.written_bytes / 1e12:,.2f} TB, {costs.puts:,.0f} requests",
        "price of the machines": f"{costs.machines:,.2f}",
        "price of the requests": f"{costs.requests:,.2f}",
        "price of the storage, a month": f"{costs.storage_month:,.2f}",
    }
    title = f"| {inputs.samples:,.0f} samples, {inputs.nodes:g} machines of {inputs.cores:g} processors | |"
    return "\n".join([title, "|---|---:|", *(f"| {name} | {value} |" for name, value in rows.items())])


def main() -> None:
    """Print the table for the numbers that are given."""
    parser = argparse.ArgumentParser("python -m tests.bench.cost_model", description=__doc__)
    for one in dataclasses.fields(Inputs):
        option = f"--{one.name.replace('_', '-')}"
        parser.add_argument(
            option, type=float, default=one.default, metavar="N", help=f"{one.metadata['help']} [%(default)s]"
        )
    print(table(Inputs(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
