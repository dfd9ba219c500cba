"""What today's fusion brings to a network against that of a commit before persons stood and backgrounds were chosen.

Each commit fuses the same training portraits with the COCO backgrounds that it finds itself. Then a small network
learns, in the same number of steps, portraits alone, or portraits with what either fused. Measured are the held-out
portraits and EG1800. The processor time of both commands is printed as a ratio, run in turns. What was made stays in
`bench/recipes`, so that a stopped benchmark goes on; `CURATE_BENCH_SEEDS=1` trains the first seed alone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from curation.dataset.dataset import read_dataset
from tests.bench.best import line, scored, values
from tests.bench.measuring import CURATE, run_measured, say
from tests.bench.recipes import FOLDER, curate, minutes_of, paired, prepare, trained
from tests.places import REAL_DATA, REPOSITORY

BEFORE: Final = os.environ.get("CURATE_BENCH_BEFORE", "863f7a9992ba7fbae532d04b84e28c5b6a13013e")
"""The last commit of the fusion of before."""
SEEDS: Final = tuple(range(int(os.environ.get("CURATE_BENCH_SEEDS", "3"))))
SETS: Final = {"portraits": "test", "eg1800": "all"}
INPUT: Final = [160, 160]
STEPS: Final = 540
BATCH: Final = 16
PER_FOREGROUND: Final = 2
TURNS: Final = 3
ARMS: Final[dict[str, list[str]]] = {
    "portraits alone": ["portraits"],
    "with the fusion of before": ["portraits", "fused-before"],
    "with the fusion of today": ["portraits", "fused-today"],
}


def bench() -> None:
    """Print what the pictures of both commits bring, and how long each takes to make them."""
    prepare()
    _prepare_persons()
    say(f"\nFusion of {BEFORE[:7]} and of today, {PER_FOREGROUND} pictures of each of the training portraits")
    _say_speed()
    runs: dict[str, list[str]] = {name: [] for name in ARMS}
    for seed in SEEDS:
        for name, data in ARMS.items():
            runs[name].append(trained(f"composed {name}", recipe=_recipe(data), seed=seed))
    for name, own in runs.items():
        say(f"  {name}: trained in {', '.join(f'{minutes_of(FOLDER / run):.0f}' for run in own)} minutes")
    for data, split in SETS.items():
        say(f"  {data}")
        found = {
            name: [scored(FOLDER / run, name=run, data=data, split=split) for run in own] for name, own in runs.items()
        }
        for told in _compared(found):
            say(f"    {told}")


def _prepare_persons() -> None:
    paired("eg1800", of="eg1800")
    if not (FOLDER / "train-portraits" / "manifest.parquet").exists():
        curate("merge", "portraits", "--where", "split == 'train'", "--out", "train-portraits")


def _say_speed() -> None:
    """Fuse by both commits in turns, and print medians and their ratio; what is made first is kept."""
    code = FOLDER / "code-before"
    if not code.exists():
        unpacked = code.with_name("code-before.part")
        shutil.rmtree(unpacked, ignore_errors=True)
        unpacked.mkdir()
        archive = subprocess.run(["git", "archive", BEFORE], cwd=REPOSITORY, check=True, stdout=subprocess.PIPE)
        subprocess.run(["tar", "-x", "-C", str(unpacked)], input=archive.stdout, check=True)
        unpacked.rename(code)
    took: dict[str, list[float]] = {"before": [], "today": []}
    for turn in range(TURNS):
        for name, where in (("before", code), ("today", REPOSITORY)):
            took[name].append(_fused(name, code=where, out=f"fused-{name}" if turn == 0 else f"turn-{turn}-{name}"))
    told = {name: ", ".join(f"{one:.1f}" for one in seconds) for name, seconds in took.items()}
    ratio = np.median(took["today"]) / np.median(took["before"])
    say(f"  curate fuse, processor: {told['before']} s before, {told['today']} s today: {ratio:.2f} times as much")


def _fused(name: str, *, code: Path, out: str) -> float:
    """Fuse by the code of a commit, with backgrounds that it chose, and return the seconds of the processor."""
    coco = REAL_DATA / "data" / "coco"
    annotations = next((coco / "annotations").glob("instances*.json"))
    grounds = FOLDER / f"grounds-{name}"
    _run(code, "coco-background", "--annotations", annotations, "--images", coco / "train2017", "--out", grounds)
    shutil.rmtree(FOLDER / out, ignore_errors=True)
    given = ("--foregrounds", FOLDER / "train-portraits", "--backgrounds", grounds)
    return _run(code, "fuse", *given, "--per-foreground", PER_FOREGROUND, "--out", FOLDER / out)


def _run(code: Path, *arguments: object) -> float:
    """Run a command of the code of a commit, and return the seconds of the processor of all its processes."""
    command = ["env", f"PYTHONPATH={code}", str(CURATE), *map(str, arguments), "--quiet"]
    return run_measured(command).processor_s


def _recipe(data: list[str]) -> dict[str, Any]:
    """Return a recipe of the same number of steps, however many rows train."""
    splits = [split for name in data for split in read_dataset(FOLDER / name).table["split"].to_pylist()]
    batches = -(-sum(split == "train" for split in splits) // BATCH)
    stage = {"name": "all", "data": data, "epochs": round(STEPS / batches), "batch_size": BATCH, "learning_rate": 0.008}
    return {"input_size": INPUT, "stages": [stage]}


def _compared(found: dict[str, list[pa.Table]]) -> list[str]:
    """Return what each pair of arms differs in."""
    numbers = {
        name: np.stack([values(table, column="miou") for table in tables], axis=0) for name, tables in found.items()
    }
    first, before, today = numbers
    pairs = ((first, before), (first, today), (before, today))
    return [line(f"{one} | {two}", first=numbers[one], second=numbers[two]) for one, two in pairs]
