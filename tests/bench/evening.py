"""From few labels and a pool of photographs to a better model, as in docs/guides/teach.md: mIoU by number of labels.

A small network learns 20, 40, 80 or all of the 140 labelled portraits, once alone, and once with photographs without
labels: half of EG1800 and of street fashion, which two teachers label, and of which MediaPipe Selfie gives its
probabilities. Both take the same number of steps. Measured are the held-out portraits and the other halves. The curve
is written as `evening.svg` into the folder $CURATE_BENCH_SHEETS. What was made stays in `bench/recipes`, so that a
stopped benchmark goes on; `CURATE_BENCH_SEEDS=1` runs the first seed alone.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from curation.dataset.dataset import read_dataset
from tests.bench.best import line, scored, values
from tests.bench.distillation import TEACHER, halved
from tests.bench.measuring import say
from tests.bench.recipes import FOLDER, curate, minutes_of, paired, prepare, trained
from tests.places import REAL_DATA

SEEDS: Final = tuple(range(int(os.environ.get("CURATE_BENCH_SEEDS", "3"))))
LABELS: Final = (20, 40, 80, 140)
HALVED: Final = {"eg1800": "eg1800", "street": "street_fashion"}
"""The sets of which half is the pool, and half measures, by name; with their folders."""
SETS: Final = {"portraits": "test", "eg1800-test": "all", "street-test": "all"}
INPUT: Final = [160, 160]
STEPS: Final = 540
BATCH: Final = 16
ALONE, TAUGHT = "labels alone", "with the photographs that teachers label"
Scores = dict[tuple[str, int], NDArray[np.float64]]
"""mIoU (seeds, images) by arm and number of labels."""


def bench() -> None:
    """Print the curve of both arms on each set, and draw it."""
    prepare()
    _prepare_pool()
    pool = read_dataset(FOLDER / "taught-pool").table
    masks = pool.num_rows - pool["mask"].null_count
    say(f"\nAn evening: {STEPS} steps of {BATCH} images, {len(SEEDS)} seeds; teachers label {masks} of {pool.num_rows}")
    runs: dict[tuple[str, int], list[str]] = {(arm, labels): [] for labels in LABELS for arm in (ALONE, TAUGHT)}
    for seed in SEEDS:
        for arm, labels in runs:
            recipe = _recipe(_labelled(labels, seed=seed), is_taught=arm == TAUGHT)
            short = "taught" if arm == TAUGHT else "alone"
            runs[arm, labels].append(trained(f"evening {short} {labels}", recipe=recipe, seed=seed))
    for arm in (ALONE, TAUGHT):
        took = [minutes_of(FOLDER / run) for (name, _), own in runs.items() if name == arm for run in own]
        say(f"  a training took {np.median(took):.1f} minutes: {arm}")
    curves = {data: _measured(runs, data=data, split=split) for data, split in SETS.items()}
    for data, scores in curves.items():
        say(f"  {data}: labels alone, with teachers, difference with its 95 % interval over seeds and images")
        for labels in LABELS:
            told = line(f"{labels} labels", first=scores[ALONE, labels], second=scores[TAUGHT, labels])
            say(f"    {told}")
    out = Path(os.environ.get("CURATE_BENCH_SHEETS", "sheets"))
    out.mkdir(parents=True, exist_ok=True)
    (out / "evening.svg").write_bytes(drawn(curves))


def _prepare_pool() -> None:
    """Make the pool, its labels by teachers, and what measures, once."""
    for name, folder in HALVED.items():
        paired(name, of=folder)
        halved(name)
    tests = [flag for data in SETS for flag in ("--test", data)]
    teachers = ("--teacher", TEACHER, "--teacher", REAL_DATA / "models" / "sinet.onnx")
    curate("prelabel", *(f"pool-{name}" for name in HALVED), "--prefix", *teachers, *tests, "--out", "taught-pool")


def _labelled(labels: int, *, seed: int) -> str:
    """Return a data set of so many of the training portraits, drawn by the seed, the fewer among the more."""
    name = f"portraits-{labels}-{seed}"
    if not (FOLDER / name / "manifest.parquet").exists():
        rows = read_dataset(FOLDER / "portraits").table.select(["id", "split"]).to_pylist()
        ids = [row["id"] for row in rows if row["split"] == "train"]
        chosen = [ids[index] for index in np.random.default_rng(seed).permutation(len(ids))[:labels]]
        curate("merge", "portraits", "--where", f"id in {chosen}", "--out", name)
    return name


def _recipe(labelled: str, *, is_taught: bool) -> dict[str, Any]:
    """Return a recipe of the same number of steps, however many rows train."""
    names = [labelled, "taught-pool"] if is_taught else [labelled]
    batches = -(-sum(read_dataset(FOLDER / name).table.num_rows for name in names) // BATCH)
    stage: dict[str, Any] = {"name": "all", "data": names, "epochs": round(STEPS / batches), "batch_size": BATCH}
    taught = {"teacher": str(TEACHER), "distill": 1.0} if is_taught else {}
    return {"input_size": INPUT, "stages": [stage | {"learning_rate": 0.008} | taught]}


def _measured(runs: dict[tuple[str, int], list[str]], *, data: str, split: str) -> Scores:
    found: Scores = {}
    for key, own in runs.items():
        tables = [scored(FOLDER / run, name=run, data=data, split=split) for run in own]
        found[key] = np.stack([values(table, column="miou") for table in tables])
    return found


def drawn(curves: dict[str, Scores]) -> bytes:
    """Return the curves as SVG: means of the seeds, and the range from the worst to the best seed."""
    import matplotlib
    import matplotlib.ticker
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.hashsalt": "curate", "font.size": 9}):
        figure = Figure(figsize=(8.4, 3), layout="constrained")
        for axes, (data, scores) in zip(figure.subplots(1, len(curves), sharey=True), curves.items(), strict=True):
            for arm, colour in ((ALONE, "tab:blue"), (TAUGHT, "tab:orange")):
                seeds = np.stack([scores[arm, labels].mean(axis=1) for labels in LABELS])
                axes.plot(LABELS, seeds.mean(axis=1), color=colour, marker="o", label=arm)
                axes.fill_between(LABELS, seeds.min(axis=1), seeds.max(axis=1), color=colour, alpha=0.2, linewidth=0)
            axes.set_xscale("log", base=2)
            axes.set_xticks(LABELS, labels=[str(labels) for labels in LABELS])
            axes.set(title=data.removesuffix("-test"), xlabel="labelled portraits")
            axes.grid(color="0.9", linewidth=0.6)
            axes.spines[["top", "right"]].set_visible(False)
        figure.axes[0].set_ylabel("mIoU, mean over images")
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
        stream = io.BytesIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()
