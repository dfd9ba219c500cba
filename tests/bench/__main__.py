"""`make bench`: prints the figures that docs/results.md quotes, as ratios within one run.

The trainings take more than an hour, the schedule and the backgrounds half an hour, the conversion, the seams and the
sheets some minutes, and they are run by name: `python -m tests.bench alpha best ablation soft heads tune prior
relabelling verdicts deep_verdicts round schedule backgrounds convert seams sheets composed prelabel distillation
evening selection correcting cluster scale shards costs mattes lights`. `kills` and `cluster` are for every night:
`make nightly`.

Data are real where `$CURATE_REAL_DATA` (default `../shared`) has them, else drawn. With `CURATE_BENCH_SHORT=1` each
works on little and once, as in the tests, to see that it still runs; its figures then mean nothing.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.measuring import CURATE, median_run, say
from tests.places import REAL_DATA

USUAL = (
    "start",
    "coco",
    "aifenge",
    "pixels",
    "memory",
    "matting",
    "duplicates",
    "metrics",
    "prediction",
    "training",
    "fusion",
    "mining",
    "browse",
    "portraits",
)


def main() -> None:
    """Run the usual benchmarks, or those named on the command line."""
    chosen = _chosen()
    data = f"real data in {REAL_DATA.name}/" if REAL_DATA.is_dir() else "drawn data"
    say(f"{len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}, {data}; medians")
    with tempfile.TemporaryDirectory(prefix="curate-bench-") as name:
        for bench_name, bench in benches(Path(name)).items():
            if bench_name in chosen:
                bench()


def _chosen() -> set[str]:
    names = tuple(benches(Path()))
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m tests.bench", description=__doc__, formatter_class=form)
    usual = f"of {', '.join(names)}; without a name: {', '.join(USUAL)}"
    parser.add_argument("name", nargs="*", choices=[*names, []], metavar="NAME", help=usual)
    return set(parser.parse_args().name) or set(USUAL)


def benches(folder: Path) -> dict[str, Callable[[], None]]:
    """Return all benchmarks by name, in the order in which they run."""
    return _of_parts(folder) | _of_work(folder)


def _of_parts(folder: Path) -> dict[str, Callable[[], None]]:
    """Return those that look at one part each."""
    return {
        "start": start,
        "coco": lambda: _bench("coco").bench(folder),
        "aifenge": lambda: _bench("aifenge").bench(folder),
        "cluster": lambda: _bench("cluster").bench(folder / "cluster"),
        "pixels": lambda: _bench("pixels").bench(folder),
        "memory": lambda: _bench("memory").bench(folder),
        "convert": lambda: _bench("convert").bench(folder),
        "matting": lambda: _bench("matting").bench(folder),
        "mattes": lambda: _bench("mattes").bench(folder),
        "lights": lambda: _bench("lights").bench(),
        "alpha": lambda: _bench("alpha").bench(folder),
        "duplicates": lambda: _bench("duplicates").bench(),
        "metrics": lambda: _bench("metrics").bench(),
        "prediction": lambda: _bench("prediction").bench(folder),
        "training": lambda: _bench("training").bench(folder),
        "fusion": lambda: _bench("fusion").bench(folder),
        "id_photos": lambda: _bench("id_photos").bench(),
        "cutouts": lambda: _bench("cutouts").bench(),
        "seams": lambda: _bench("seams").bench(folder),
        "sheets": lambda: _bench("sheets").bench(folder),
        "composed": lambda: _bench("composed").bench(),
    }


def _of_work(folder: Path) -> dict[str, Callable[[], None]]:
    """Return those that look at work of several parts."""
    return {
        "mining": lambda: _bench("mining").bench(folder),
        "browse": lambda: _bench("browse").bench(folder),
        "backgrounds": lambda: _bench("backgrounds").bench(folder),
        "portraits": lambda: _bench("portraits").bench(),
        "best": lambda: _bench("best").bench(),
        "ablation": lambda: _bench("recipes").bench_ablation(),
        "soft": lambda: _bench("alphas").bench_soft(folder),
        "heads": lambda: _bench("alphas").bench_heads(folder),
        "tune": lambda: _bench("tune").bench_tune(folder),
        "video": lambda: _bench("video").bench(folder),
        "prior": lambda: _bench("prior").bench(),
        "relabelling": lambda: _bench("relabelling").bench(),
        "verdicts": lambda: _bench("verdicts").bench(),
        "deep_verdicts": lambda: _bench("deep_verdicts").bench(),
        "prelabel": lambda: _bench("prelabel").bench(folder),
        "distillation": lambda: _bench("distillation").bench(),
        "evening": lambda: _bench("evening").bench(),
        "selection": lambda: _bench("selection").bench(),
        "correcting": lambda: _bench("correcting").bench(),
        "labels": lambda: _bench("labels").bench(),
        "frames": lambda: _bench("frames").bench(),
        "round": lambda: _bench("round").bench(),
        "schedule": lambda: _bench("schedule").bench_schedule(),
        "scale": lambda: _bench("scale").bench(folder),
        "shards": lambda: _bench("shards").bench(folder),
        "costs": lambda: _bench("costs").bench(folder),
        "kills": lambda: _bench("kills").bench(folder),
    }


def _bench(name: str) -> Any:
    """Import a benchmark when it is run: some bring libraries that take long to import."""
    return importlib.import_module(f"tests.bench.{name}")


def start() -> None:
    """Print how long the shortest command takes."""
    seconds, _, _ = median_run([str(CURATE), "--help"], times=7)
    say(f"\ncurate --help: {seconds:.2f} s")


if __name__ == "__main__":
    main()
