"""What a teacher brings to a small network: labels alone, labels that the teacher made, or its probabilities.

Each arm takes 540 steps of 16 images and the same labelled portraits, those of the training folds; what it has more
are photographs without labels. Measured are the held-out fifth of the portraits, EG1800 and street fashion, of each
also the persons that touch the frame; a pool is never measured on. The distance to the teacher is told. What was made
stays in `bench/recipes`, so that a stopped benchmark goes on; `CURATE_BENCH_SEEDS=1` runs the first seed alone.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from curation.dataset.dataset import read_dataset, write_dataset
from models.metrics.seeds import compare_over_seeds
from tests.bench.best import ALWAYS, part, scored, values
from tests.bench.measuring import say
from tests.bench.recipes import FOLDER, NETWORK, PORTRAITS, SHORT, curate, minutes_of, paired, prepare, trained
from tests.places import REAL_DATA

SEEDS: Final = tuple(range(int(os.environ.get("CURATE_BENCH_SEEDS", "3"))))
TEACHER: Final = REAL_DATA / "models" / "selfie_general.onnx"
POOLS: Final = ["pool-street", "pool-coco", "pool-portraits"]
"""Photographs without their labels: half of street fashion and its pool, COCO persons, the training portraits."""
TAUGHT: Final = {"teacher": str(TEACHER), "distill": 1.0}
EQUAL: Final = {"learning_rate": 0.008}
STEPS: Final = 540
BATCH: Final = 16
ARMS: Final[dict[str, dict[str, Any]]] = {
    "labels alone": {"stages": [PORTRAITS | SHORT]},
    "taught on the same portraits": {"stages": [PORTRAITS | SHORT | TAUGHT]},
    "taught, with pools": {"stages": [{"name": "all", "data": ["portraits", *POOLS]} | EQUAL | TAUGHT]},
    "labels of the teacher": {"stages": [{"name": "all", "data": ["portraits", "prelabelled"]} | EQUAL]},
}
SETS: Final = {"portraits": "test", "eg1800": "all", "street-test": "all"}
SLICES: Final = {ALWAYS: None, "touching the frame": ("border", "touching")}
MUST_GAIN: Final = 0.03


def bench() -> None:
    """Print what each arm brings against labels alone, and how far it is from the teacher."""
    prepare()
    prepare_pools()
    say(f"\nA teacher, {TEACHER.stem}: {NETWORK['network']}, {STEPS} steps of {BATCH} images, {len(SEEDS)} seeds")
    runs: dict[str, list[str]] = {name: [] for name in ARMS}
    for seed in SEEDS:  # all arms of a seed before the next: a benchmark that was stopped can already be compared
        for name, recipe in ARMS.items():
            runs[name].append(trained(name, recipe=with_epochs(recipe), seed=seed))
    for name in ARMS:
        minutes = ", ".join(f"{minutes_of(FOLDER / run):.0f}" for run in runs[name])
        say(f"  trained in {minutes} minutes: {name}")
    for name, split in SETS.items():
        say(f"  {name}: mIoU of the seeds, against labels alone with its 95 % interval over seeds and images, distance")
        teacher = scored(TEACHER, name="teacher", data=name, split=split)
        found = {
            arm: [scored(FOLDER / run, name=run, data=name, split=split) for run in own] for arm, own in runs.items()
        }
        for line in compared(found, teacher=teacher):
            say(f"    {line}")


def with_epochs(recipe: dict[str, Any]) -> dict[str, Any]:
    """Return a recipe whose stages take as many epochs as make the same number of steps."""
    stages = []
    for stage in recipe["stages"]:
        samples = sum(trainable(name, is_taught="teacher" in stage) for name in stage["data"])
        batches = -(-samples // BATCH)
        stages.append({**stage, "epochs": max(1, round(STEPS / batches)), "batch_size": BATCH})
    return {**recipe, "stages": stages}


def trainable(name: str, *, is_taught: bool) -> int:
    """Return how many rows of a data set train."""
    rows = read_dataset(FOLDER / name).table.select(["split", "mask"]).to_pylist()
    return sum(row["split"] in (None, "train") and (is_taught or row["mask"] is not None) for row in rows)


def prepare_pools() -> None:
    """Make the pools and the sets that `prepare` does not, once."""
    paired("eg1800", of="eg1800")
    paired("street", of="street_fashion")
    halved("street")
    for name, base, query in (
        ("pool-coco", "persons", "split != 'test'"),
        ("pool-portraits", "portraits", "split == 'train'"),
    ):
        pool_of(base, where=query, out=name)
    teachers = ("--teacher", TEACHER, "--teacher", REAL_DATA / "models" / "sinet.onnx")
    pools = ("pool-street", "pool-coco")
    tests = ("--test", "eg1800", "--test", "street-test", "--test", "portraits")
    curate("prelabel", *pools, "--prefix", *teachers, *tests, "--out", "prelabelled")


def halved(name: str) -> None:
    """Make of one half of a data set `<name>-test`, and of the other `pool-<name>`, without labels; once."""
    halves = f"{name}-halves"
    if not (FOLDER / halves / "manifest.parquet").exists():
        curate("merge", name, "--drop-splits", "--out", halves)
        curate("split", halves, "--val", 0, "--test", 0.5)
    curate("merge", halves, "--where", "split == 'test'", "--drop-splits", "--out", f"{name}-test")
    pool_of(halves, where="split == 'train'", out=f"pool-{name}")


def pool_of(name: str, *, where: str, out: str) -> None:
    """Make a data set of some samples of another, without their labels, once."""
    if not (FOLDER / out / "manifest.parquet").exists():
        curate("merge", name, "--where", where, "--drop-splits", "--out", out)
        without_labels(FOLDER / out)


def without_labels(folder: Path) -> None:
    """Take the labels out of the rows of a data set; its files stay."""
    dataset = read_dataset(folder)
    nothing = {"mask": None, "alpha": None, "trimap": None, "persons": None, "person_area": None}
    rows = [row | nothing for row in dataset.table.to_pylist()]
    table = pa.Table.from_pylist(rows, schema=dataset.table.schema)
    write_dataset(folder, card=dataset.card, table=table, quarantine=[])


def compared(found: dict[str, list[pa.Table]], *, teacher: pa.Table) -> list[str]:
    """Return a line for each arm and slice: its mIoU, its gain over the first arm, and how far the teacher is."""
    from models.evaluation.slices import slices_of

    slices = slices_of(teacher, names=["border"])
    first, *_ = found.values()
    lines = []
    for told, name in SLICES.items():
        where = np.ones(teacher.num_rows, dtype=np.bool_) if name is None else part(slices, name=name)
        if not where.any():
            continue
        base = np.stack([values(table, column="miou")[where] for table in first])
        best = float(values(teacher, column="miou")[where].mean())
        lines.append(f"{told}, {int(where.sum())} images: the teacher {best:.4f}")
        for arm, tables in found.items():
            own = np.stack([values(table, column="miou")[where] for table in tables])
            lines.append(f"  {arm:30} {_told(base, own=own, best=best)}")
    return lines


def _told(base: np.ndarray, *, own: np.ndarray, best: float) -> str:
    seeds = own.mean(axis=1)
    spread = f" +- {seeds.std(ddof=1):.4f}" if len(seeds) > 1 else ""
    mean = f"{seeds.mean():.4f}{spread}, {best - seeds.mean():+.4f} to the teacher"
    if np.array_equal(base, own):
        return mean
    found = compare_over_seeds(base, second=own, rng=np.random.default_rng(0))
    which = found.overall or found.images
    reached = "reached" if (which.difference or 0) >= MUST_GAIN and (which.low or 0) > 0 else "not reached"
    gain = f"{which.difference:+.4f} ({which.low:+.4f} to {which.high:+.4f})"
    return f"{mean}; {gain}, {MUST_GAIN:+g} {reached}"
