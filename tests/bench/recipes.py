"""What each part of a recipe brings on real data, to a small network trained from nothing.

Every training has one core, and loads its images with the other. Images of the split test are looked at once, after
all trainings.
What was made stays in `bench/recipes`, so that a stopped benchmark goes on where it was.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from tests.bench.measuring import run_curate, say
from tests.places import REAL_DATA, REPOSITORY

FOLDER: Final = REPOSITORY / "bench" / "recipes"
SEEDS: Final = (0, 1, 2)
NETWORK: Final = {"network": "unet_shufflenet", "input_size": [224, 224], "val": ["portraits"]}
BOTH: Final = {"name": "both", "data": ["persons", "portraits"]}
PORTRAITS: Final = {"name": "portraits", "data": ["portraits"]}
SURROUNDINGS: Final = "indoor,outdoor,furniture,kitchen,appliance,electronic,food,animal,vehicle"
FUSED: Final = {"fusion_ratio": 0.3, "backgrounds": ["backgrounds"]}
STRONG: Final = {"learning_rate": 0.012, "weight_decay": 0.1, "losses": {"cross_entropy": 1.0, "iou": 1.0}}
"""Chosen without the split test, in trials on folds of the other portraits, where these counted most."""
SHORT: Final = {"epochs": 60, "learning_rate": 0.008}
PLAIN: Final = {"augmentation": "none", "losses": {"cross_entropy": 1.0}}
DICE: Final = {"augmentation": "none"}
ARMS: Final[dict[str, dict[str, Any]]] = {
    "cross-entropy": {"stages": [PORTRAITS | SHORT | PLAIN]},
    "+ Dice": {"stages": [PORTRAITS | SHORT | DICE]},
    "+ augmentation": {"stages": [PORTRAITS | SHORT]},
    "+ fused backgrounds": {"stages": [PORTRAITS | SHORT | FUSED]},
    "+ fused, IoU, larger rate and decay": {"stages": [PORTRAITS | SHORT | FUSED | STRONG]},
    "+ augmentation, COCO persons first": {
        "stages": [
            {"name": "pre-train", "data": ["persons"]} | SHORT | {"epochs": 40},
            PORTRAITS | SHORT | {"epochs": 38},
        ]
    },
}
"""Each arm takes the same number of steps of the same size: 540."""


def bench_ablation() -> None:
    """Print what each part of a recipe brings, at the same number of steps."""
    prepare()
    say(f"\nAblation: {NETWORK['network']}, 540 steps of 16 images, three seeds, mean and spread of the seeds")
    for name, found in trained_and_evaluated(ARMS).items():
        say(f"  {name:36} {told_spread([summary for summary, _ in found])}")


def prepare() -> None:
    """Make the datasets from the real images, once."""
    assert REAL_DATA.is_dir(), f"there is no real data in {REAL_DATA}; set CURATE_REAL_DATA"
    FOLDER.mkdir(parents=True, exist_ok=True)
    coco = REAL_DATA / "data" / "coco"
    annotations = next((coco / "annotations").glob("instances*.json"))
    if paired("portraits", of="portraits"):
        curate("split", "portraits", "--test", "0.2")
    given = ("--annotations", annotations, "--images", coco / "train2017")
    curate("coco-person", *given, "--out", "persons")
    curate("coco-background", *given, "--supercategories", SURROUNDINGS, "--out", "backgrounds")


def paired(name: str, *, of: str) -> bool:
    """Make a data set of images and masks in a folder of the real data, once; return whether it was not there yet."""
    if (FOLDER / name / "manifest.parquet").exists():
        return False
    data = REAL_DATA / "data" / of
    curate("pairs", "--images", data / "images", "--masks", data / "masks", "--fit", "--out", name)
    return True


def trained_and_evaluated(recipes: Mapping[str, Any]) -> dict[str, list[tuple[dict[str, Any], float]]]:
    """Return for each recipe and seed the summary on the split test, and the minutes of the training."""
    jobs = [(name, seed) for name in recipes for seed in SEEDS]
    runs = [trained(name, recipe=recipes[name], seed=seed) for name, seed in jobs]
    found: dict[str, list[tuple[dict[str, Any], float]]] = {name: [] for name in recipes}
    for (name, _), run in zip(jobs, runs, strict=True):
        found[name].append((evaluated(FOLDER / run, name=run), minutes_of(FOLDER / run)))
    return found


def trained(name: str, *, recipe: Mapping[str, Any], seed: int) -> str:
    """Train and give the name of the run folder."""
    run = f"{''.join(filter(str.isalnum, name))}-{seed}"
    config = FOLDER / f"{run}.yaml"
    config.write_text(yaml.safe_dump({**NETWORK, **recipe}, sort_keys=False))
    curate("train", "--config", config, "--seed", seed, "--out", run, "--workers", 1, "--device", "cpu")
    return run


def evaluated(model: Path, *, name: str) -> dict[str, Any]:
    """Return the summary of a model on the portraits that were held out."""
    flags = ("--data", "portraits", "--split", "test", "--badcases", 20, "--out", f"{name}-test")
    summary: dict[str, Any] = json.loads(curate("evaluate", "--model", model, *flags, "--json"))["all"]["summary"]
    return summary


def minutes_of(run: Path) -> float:
    """Return the minutes of all epochs, their validation included."""
    rows = (run / "history.csv").read_text().splitlines()[1:]
    return sum(float(row.rsplit(",", 1)[1]) for row in rows) / 60


def told_spread(summaries: list[dict[str, Any]]) -> str:
    """Return mean and standard deviation over seeds."""

    def spread(number: Callable[[dict[str, Any]], float]) -> str:
        values = [number(summary) for summary in summaries]
        return f"{statistics.mean(values):.4f} +- {statistics.stdev(values):.4f}"

    return f"mIoU {spread(lambda one: one['miou_image'])}, std {spread(lambda one: one['std'])}"


def curate(*arguments: object) -> str:
    """Run a command in the folder of the recipes, and give what it prints."""
    return run_curate(*arguments, *(() if "--json" in arguments else ("--quiet",)), folder=FOLDER)
