"""`make bench`: prints the figures that README quotes, as ratios within one run.

Data are real where `$CURATE_REAL_DATA` (default `../shared`) has them, else drawn.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from pathlib import Path

from tests.bench import aifenge, coco, memory, metrics, prediction, training
from tests.bench.measuring import CURATE, REAL_DATA, median_run, say


def main() -> None:
    """Run all benchmarks, or those named on the command line."""
    chosen = set(sys.argv[1:]) or {"start", "coco", "aifenge", "memory", "metrics", "prediction", "training"}
    data = f"real data in {REAL_DATA.name}/" if REAL_DATA.is_dir() else "drawn data"
    say(f"{len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}, {data}; medians")
    with tempfile.TemporaryDirectory(prefix="curate-bench-") as name:
        folder = Path(name)
        if "start" in chosen:
            seconds, _, _ = median_run([str(CURATE), "--help"], times=7)
            say(f"\ncurate --help: {seconds:.2f} s")
        if "coco" in chosen:
            coco.bench(folder)
        if "aifenge" in chosen:
            aifenge.bench(folder)
        if "memory" in chosen:
            memory.bench(folder)
        if "metrics" in chosen:
            metrics.bench()
        if "prediction" in chosen:
            prediction.bench(folder)
        if "training" in chosen:
            training.bench(folder)


if __name__ == "__main__":
    main()
