"""How the benchmarks measure: wall-clock medians, the peak memory of a child process, and where the data is."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tests.places import REPOSITORY

CURATE = Path(sys.executable).with_name("curate")
IS_SHORT = os.environ.get("CURATE_BENCH_SHORT") == "1"
"""Run on little and once, for the tests: whether a benchmark still runs. Its figures then mean nothing."""


def sized(usual: int, *, short: int) -> int:
    """Return how much to work on: `usual`, or `short` in a short run."""
    return short if IS_SHORT else usual


def seconds_of(action: Callable[[], Any], *, times: int = 3) -> float:
    """Return the median wall-clock seconds of an action."""
    taken = []
    for _ in range(sized(times, short=1)):
        start = time.perf_counter()
        action()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


class Run(NamedTuple):
    """A command that ended: seconds by the clock and of the processor, peak memory in MB (of its largest process)."""

    seconds: float
    processor_s: float
    peak_mb: float
    output: str


def run_measured(command: list[str]) -> Run:
    """Run a command and measure it, with the child processes that it waited for."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    output = process.stdout.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode in {0, 3}, f"{command} ended with {process.returncode}"
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output)


def run_curate(*arguments: object, folder: Path = REPOSITORY) -> str:
    """Run one of our commands with one thread in a folder, and give what it prints."""
    command = [str(CURATE), *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 3}, f"{command} ended with {done.returncode}: {done.stderr[-2000:]}"
    return done.stdout


def median_run(command: list[str], *, times: int = 3) -> tuple[float, float, str]:
    """Run a command several times: median seconds, largest peak in MB, last output."""
    runs = [run_measured(command) for _ in range(sized(times, short=1))]
    return statistics.median(run.seconds for run in runs), max(run.peak_mb for run in runs), runs[-1].output


def child(function: str, *arguments: object) -> tuple[Any, float]:
    """Run `module:name` of the benchmarks in a process of its own; give its JSON result and peak memory in MB."""
    code = (
        "import importlib, json, sys; module, name = sys.argv[1].split(':');"
        "print(json.dumps(getattr(importlib.import_module(module), name)(*sys.argv[2:])))"
    )
    run = run_measured([sys.executable, "-c", code, function, *map(str, arguments)])
    return json.loads(run.output.splitlines()[-1]), run.peak_mb


def say(line: str) -> None:
    """Print a line of the report at once."""
    print(line, flush=True)
