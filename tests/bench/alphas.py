"""Soft labels against hard ones, and an auxiliary head against none: each with three seeds, at the same steps.

On real data the persons are the portraits. Their alphas are matted from their masks, and lie under known ones: the same
persons laid on person-free images of COCO, where the alpha with which they were laid is the truth. What was made stays
in `bench/alphas`, so that a stopped benchmark goes on where it was. A short run is of drawn persons and one seed.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from tests.bench.measuring import IS_SHORT, run_curate, say, sized
from tests.places import REAL_DATA, REPOSITORY

SEEDS: Final = tuple(range(sized(3, short=1)))
NETWORK: Final = {"network": "unet_shufflenet", "input_size": [sized(224, short=32)] * 2}
STAGE: Final = {
    "name": "alphas",
    "data": ["mattes", "fused"],
    "epochs": sized(30, short=1),
    "batch_size": sized(16, short=2),
    "learning_rate": 0.008,
}
"""With 140 portraits and as many fused ones: 540 steps of 16 images."""
MASKS: Final[dict[str, Any]] = {"stages": [STAGE | {"labels": "mask"}]}
SOFT_ARMS: Final[dict[str, dict[str, Any]]] = {"masks": MASKS, "alphas": {"stages": [STAGE | {"labels": "alpha"}]}}
HEAD_ARMS: Final[dict[str, dict[str, Any]]] = {"masks": MASKS, "masks, head of 0.4": MASKS | {"auxiliary_weight": 0.4}}
"""Both begin with the same trainings, which are run once."""
SETS: Final = ("mattes", "fused")
NUMBERS: Final = {"mIoU": "miou_image", "boundary IoU": "boundary_iou", "MSE of alpha": "mse"}


def bench_soft(folder: Path) -> None:
    """Print what alphas as labels bring against masks, on alphas that were matted and on known ones."""
    place = prepared(folder)
    say(f"\nLabels of {NETWORK['network']}, {STAGE['epochs']} epochs, {len(SEEDS)} seeds; * the best of a column")
    arms = list(SOFT_ARMS.items())[-sized(2, short=1) :]
    table({name: measured(place, name=name, recipe=recipe) for name, recipe in arms})


def bench_heads(folder: Path) -> None:
    """Print what an auxiliary head at stride 8 brings, at the cost of none."""
    place = prepared(folder)
    say(f"\nHeads of {NETWORK['network']}, {STAGE['epochs']} epochs, {len(SEEDS)} seeds; * the best of a column")
    table({name: measured(place, name=name, recipe=recipe) for name, recipe in HEAD_ARMS.items()})


def prepared(folder: Path) -> Path:
    """Make the datasets `mattes` and `fused`, each with a split test, and return where they are."""
    place = folder if IS_SHORT else REPOSITORY / "bench" / "alphas"
    place.mkdir(parents=True, exist_ok=True)
    if IS_SHORT:
        draw(place)
    else:
        take_real(place)
    if not (place / "mattes" / "manifest.parquet").exists():
        curate("matte", "portraits", "--from-masks", "--out", "mattes", folder=place)
    curate("fuse", "--foregrounds", "mattes", "--backgrounds", "backgrounds", "--out", "fused", folder=place)
    return place


def draw(place: Path) -> None:
    """Draw persons and backgrounds, once."""
    from tests.curation.fusion.fusion_data import grounds, persons

    if (place / "portraits").exists():
        return
    splits = dict.fromkeys("abcd", "train") | dict.fromkeys("ef", "val") | dict.fromkeys("gh", "test")
    persons(place / "portraits", list(splits), rows={id_: {"split": split} for id_, split in splits.items()})
    grounds(place / "backgrounds", ["u", "v", "w", "x", "y", "z"], scale=12)


def take_real(place: Path) -> None:
    """Make datasets of the portraits and of COCO's images without persons, once."""
    assert REAL_DATA.is_dir(), f"there is no real data in {REAL_DATA}; set CURATE_REAL_DATA"
    portraits, coco = REAL_DATA / "data" / "portraits", REAL_DATA / "data" / "coco"
    if not (place / "portraits" / "manifest.parquet").exists():
        given = ("--images", portraits / "images", "--masks", portraits / "masks")
        curate("pairs", *given, "--fit", "--out", "portraits", folder=place)
        curate("split", "portraits", "--val", 0.1, "--test", 0.2, folder=place)
    annotations = next((coco / "annotations").glob("instances*.json"))
    given = ("--annotations", annotations, "--images", coco / "train2017")
    curate("coco-background", *given, "--out", "backgrounds", folder=place)


def measured(place: Path, *, name: str, recipe: Mapping[str, Any]) -> dict[str, list[dict[str, float]]]:
    """Train with each seed, and return the numbers of each set."""
    runs = [trained(place, name=name, recipe=recipe, seed=seed) for seed in SEEDS]
    return {one: [evaluated(place, run=run, data=one) for run in runs] for one in SETS}


def trained(place: Path, *, name: str, recipe: Mapping[str, Any], seed: int) -> str:
    """Train and return the name of the run folder."""
    run = f"{''.join(filter(str.isalnum, name))}-{seed}"
    config = place / f"{run}.yaml"
    config.write_text(yaml.safe_dump({**NETWORK, **recipe}, sort_keys=False))
    flags = ("--workers", sized(1, short=0), "--device", "cpu")
    curate("train", "--config", config, "--seed", seed, "--out", run, *flags, folder=place)
    return run


def evaluated(place: Path, *, run: str, data: str) -> dict[str, float]:
    """Return the numbers of a model on the split test of a dataset."""
    flags = ("--data", data, "--split", "test", "--badcases", 0, "--out", f"{run}-{data}", "--json")
    summary = json.loads(curate("evaluate", "--model", run, *flags, folder=place))["all"]["summary"]
    return {name: float((summary | summary["matting"])[key]) for name, key in NUMBERS.items()}


def table(found: Mapping[str, Mapping[str, Sequence[Mapping[str, float]]]]) -> None:
    """Print mean and standard deviation over the seeds, a line for each arm and set."""
    for one in SETS:
        means = {
            name: {number: statistics.mean(seed[number] for seed in arm[one]) for number in NUMBERS}
            for name, arm in found.items()
        }
        say(f"  {one}, split test")
        for name, arm in found.items():
            told = [shown(number, values=[seed[number] for seed in arm[one]], means=means) for number in NUMBERS]
            say(f"    {name:22} {', '.join(told)}")


def shown(number: str, *, values: Sequence[float], means: Mapping[str, Mapping[str, float]]) -> str:
    """Return a mean with its spread, marked where no other arm is better."""
    best = (min if number == "MSE of alpha" else max)(arm[number] for arm in means.values())
    mean = statistics.mean(values)
    spread = f" +- {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return f"{number} {mean:.4f}{spread}{'*' if mean == best else ''}"


def curate(*arguments: object, folder: Path) -> str:
    """Run a command in a folder, and return what it prints."""
    return run_curate(*arguments, *(() if "--json" in arguments else ("--quiet",)), folder=folder)
