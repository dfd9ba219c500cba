"""What it brings `portrait_fcn` to have its prior laid over the face rather than over the frame, and what it costs.

All trainings have one core, the same data and the same steps; images of the split test are looked at once, after them.
What was made stays in `bench/recipes`, so that a stopped benchmark goes on; `CURATE_BENCH_SEEDS=1` runs the first seed
alone.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from curation.dataset.dataset import read_dataset
from curation.images.pixels import Image, decode_image
from models.prediction.load_model import LoadedModel, load_model
from tests.bench.best import line, scored, values
from tests.bench.measuring import say
from tests.bench.recipes import FOLDER, PORTRAITS, curate, minutes_of, trained
from tests.places import REAL_DATA

SEEDS: Final = tuple(range(int(os.environ.get("CURATE_BENCH_SEEDS", "3"))))
PRIORS: Final = ("frame", "face")
RECIPE: Final[dict[str, Any]] = {
    "network": "portrait_fcn",
    "stages": [PORTRAITS | {"epochs": 40, "learning_rate": 0.008}],
}
TIMED: Final = 40


def bench() -> None:
    """Print the mIoU of both priors on held-out portraits, and the time of a prediction."""
    prepare_portraits()
    say(f"\nThe prior of portrait_fcn, 40 epochs of the portraits, {len(SEEDS)} seeds")
    runs = {prior: trained_with(prior) for prior in PRIORS}
    frame, face = (mious(runs[prior]) for prior in PRIORS)
    say(f"  {line('mIoU over the frame, over the face, gain (95 % interval)', first=frame, second=face)}")
    say(f"  the time of a prediction, the search for a face included: {times_as_long(runs):.1f} times as long")


def prepare_portraits() -> None:
    """Make the data set of the portraits as `recipes.prepare` does, once."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    portraits = REAL_DATA / "data" / "portraits"
    if not (FOLDER / "portraits" / "manifest.parquet").exists():
        curate("pairs", "--images", portraits / "images", "--masks", portraits / "masks", "--fit", "--out", "portraits")
        curate("split", "portraits", "--test", "0.2")


def trained_with(prior: str) -> list[str]:
    """Train each seed with a prior, and return the names of the run folders."""
    runs = [trained(f"prior-{prior}", recipe=RECIPE | {"prior": prior}, seed=seed) for seed in SEEDS]
    say(f"  over the {prior}: {', '.join(f'{minutes_of(FOLDER / run):.0f}' for run in runs)} minutes")
    return runs


def mious(runs: Sequence[str]) -> NDArray[np.float64]:
    """Return the mIoU of each run on each held-out portrait, (seeds, images)."""
    tables = [scored(FOLDER / run, name=run, data="portraits", split="test") for run in runs]
    return np.stack([values(table, column="miou") for table in tables])


def times_as_long(runs: dict[str, list[str]]) -> float:
    """Return how many times as long a prediction takes that first looks for a face, in seconds of the processor."""
    frame, face = (load_model(FOLDER / runs[prior][0], device="cpu", threads=1) for prior in PRIORS)
    rows = read_dataset(FOLDER / "portraits").table.select(["image"]).to_pylist()[:TIMED]
    images = [read(FOLDER / "portraits" / row["image"]) for row in rows]
    return statistics.median(_seconds(face, image) / _seconds(frame, image) for image in images)


def read(file: Path) -> Image:
    """Return an image."""
    return decode_image(file.read_bytes(), file=str(file))


def _seconds(model: LoadedModel, image: Image) -> float:
    started = time.process_time()
    model.predict(image)
    return time.process_time() - started
