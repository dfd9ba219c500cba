"""`make bench`: prints the figures that README quotes, as ratios within one run.

The trainings take more than an hour and are run by name: `python -m tests.bench best ablation`.

Data are real where `$CURATE_REAL_DATA` (default `../shared`) has them, else drawn.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.bench import (
    aifenge,
    coco,
    duplicates,
    fusion,
    labels,
    matting,
    memory,
    metrics,
    mining,
    prediction,
    recipes,
    training,
    verdicts,
)
from tests.bench.measuring import CURATE, REAL_DATA, median_run, say

USUAL = ("start", "coco", "aifenge", "memory", "matting", "duplicates", "metrics", "prediction", "training")


def main() -> None:
    """Run the usual benchmarks, or those named on the command line."""
    chosen = set(sys.argv[1:]) or set(USUAL)
    data = f"real data in {REAL_DATA.name}/" if REAL_DATA.is_dir() else "drawn data"
    say(f"{len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}, {data}; medians")
    with tempfile.TemporaryDirectory(prefix="curate-bench-") as name:
        for bench_name, bench in _benches(Path(name)).items():
            if bench_name in chosen:
                bench()


def _benches(folder: Path) -> dict[str, Callable[[], None]]:
    """Give all benchmarks by name, in the order in which they run."""
    return {
        "start": start,
        "coco": lambda: coco.bench(folder),
        "aifenge": lambda: aifenge.bench(folder),
        "memory": lambda: memory.bench(folder),
        "matting": lambda: matting.bench(folder),
        "duplicates": duplicates.bench,
        "metrics": metrics.bench,
        "prediction": lambda: prediction.bench(folder),
        "training": lambda: training.bench(folder),
        "fusion": lambda: fusion.bench(folder),
        "mining": lambda: mining.bench(folder),
        "best": recipes.bench_best,
        "ablation": recipes.bench_ablation,
        "verdicts": verdicts.bench,
        "labels": labels.bench,
    }


def start() -> None:
    """Print how long the shortest command takes."""
    seconds, _, _ = median_run([str(CURATE), "--help"], times=7)
    say(f"\ncurate --help: {seconds:.2f} s")


if __name__ == "__main__":
    main()
