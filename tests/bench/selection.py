"""Which way to choose what is labelled next pays: `curate simulate`.

A network that learnt half of street fashion and COCO persons meets a pool of other photographs whose labels are hidden:
60 % of the portraits, of EG1800 and of the other half of the streets; a twentieth of them validates, the others are
measured on. MediaPipe Selfie is the teacher: its labels stand for hidden ones, its features tell images apart. What was
made stays in `bench/selection`, so that a stopped benchmark goes on; `CURATE_BENCH_SEEDS=1` runs the first seed alone.
"""

from __future__ import annotations

import json
import os
from typing import Any, Final

import numpy as np
import yaml

from models.evaluation.score_table import read_scores
from models.evaluation.summaries import group_numbers
from models.metrics.seeds import SeedComparison, compare_over_seeds
from reports.experiments.ablation_table import change_text, image_mious
from tests.bench.measuring import IS_SHORT, run_curate, say, sized
from tests.places import REAL_DATA, REPOSITORY

FOLDER: Final = REPOSITORY / "bench" / ("selection-short" if IS_SHORT else "selection")
SETS: Final = ("portraits", "eg1800", "street")
SEEDS: Final = tuple(range(int(os.environ.get("CURATE_BENCH_SEEDS", str(sized(5, short=1))))))
TEACHER: Final = REAL_DATA / "models" / "selfie_general.onnx"
SELECTIONS: Final = ("threshold", "uncertainty", "views", "verdict", "diverse", "mixed")
START, BUDGET, ROUNDS = 15, 15, sized(4, short=1)
EPOCHS: Final = sized(25, short=1)
SHARES: Final = ("--val", 0.05, "--test", 0.35)
MUST_SHARE: Final = 0.6
NETWORK: Final = {"network": "unet_shufflenet", "input_size": [160, 160]}
KNOWN: Final = {"data": ["known", "persons"], "epochs": sized(170, short=1), "batch_size": 16, "learning_rate": 0.008}
LABELS: Final = {"epochs": EPOCHS, "batch_size": 8, "learning_rate": 0.002}


def bench() -> None:
    """Print what each selection brings against random."""
    prepare_pool()
    prepare_known()
    select = SELECTIONS[: sized(len(SELECTIONS), short=1)]
    say(f"\nSelections: {NETWORK['network']}, {len(SEEDS)} seeds, the labels of {'+'.join(SETS)} hidden")
    given = ("--data", "pool", "--split", "test", "--device", "cpu", "--badcases", 0, "--json")
    known = json.loads(run_curate("evaluate", "--model", "known-model", *given, "--out", "known-scores", folder=FOLDER))
    say(f"  before it sees any: mIoU {known['all']['summary']['miou_image']:.4f}")
    hidden = ("--start", START, "--budget", BUDGET, "--rounds", ROUNDS, "--select", *select)
    for line in told_selections(simulated("hidden", *hidden, config="labels.yaml")):
        say(f"  {line}")


def prepare_pool() -> None:
    """Make the pool once; each part of it has splits of its own."""
    assert REAL_DATA.is_dir(), f"there is no real data in {REAL_DATA}; set CURATE_REAL_DATA"
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, of in (("portraits", "portraits"), ("eg1800", "eg1800"), ("streets", "street_fashion")):
        data = REAL_DATA / "data" / of
        given = ("--images", data / "images", "--masks", data / "masks", "--fit", "--limit", sized(300, short=80))
        if not (FOLDER / name / "manifest.parquet").exists():
            run_curate("pairs", *given, "--out", name, "--quiet", folder=FOLDER)
            halves = ("--val", 0, "--test", 0.5) if name == "streets" else SHARES
            run_curate("split", name, *halves, "--quiet", folder=FOLDER)
    for name, half in (("known", "train"), ("street", "test")):
        if not (FOLDER / name / "manifest.parquet").exists():
            where = ("--where", f"split == '{half}'", "--drop-splits")
            run_curate("merge", "streets", *where, "--out", name, "--quiet", folder=FOLDER)
    run_curate("split", "street", *SHARES, "--quiet", folder=FOLDER)
    run_curate("merge", *SETS, "--prefix", "--out", "pool", "--quiet", folder=FOLDER)


def prepare_known() -> None:
    """Make the network that knows other photographs, once."""
    coco = REAL_DATA / "data" / "coco"
    annotations = next((coco / "annotations").glob("instances*.json"))
    images = ("--images", coco / "train2017")
    run_curate("coco-person", "--annotations", annotations, *images, "--out", "persons", "--quiet", folder=FOLDER)
    for name, settings in (("known", {}), ("labels", {"weights": "known-model"})):
        stage = {"name": name, **(KNOWN if name == "known" else LABELS)}
        (FOLDER / f"{name}.yaml").write_text(yaml.safe_dump({**NETWORK, **settings, "stages": [stage]}))
    how = ("--config", "known.yaml", "--val", "pool", "--device", "cpu", "--workers", 1, "--quiet")
    run_curate("train", *how, "--out", "known-model", folder=FOLDER)


def simulated(out: str, *flags: object, config: str) -> dict[str, Any]:
    """Run a simulation, or go on with it, print its table, and return its JSON."""
    given = ("--data", "pool", "--teacher", TEACHER, "--config", config, "--workers", 2, "--seeds", *SEEDS)
    said = run_curate("simulate", *given, *flags, "--device", "cpu", "--out", out, folder=FOLDER)
    for line in said.splitlines():
        say(f"  {line}")
    found: dict[str, Any] = json.loads((FOLDER / out / "simulation.json").read_text())
    return found


def told_selections(found: dict[str, Any]) -> list[str]:
    """Return for each selection what it needs for random's last mIoU, and how it compares with that at 60 % of them."""
    early = [number for number in found["labels"] if number <= MUST_SHARE * found["labels"][-1]][-1]
    lines, reached = [], []
    for one in found["strategies"]:
        if one["strategy"] == "random":
            continue
        needed, overall = one["needed"], (one["change"] or {}).get("overall")
        is_better = overall is not None and overall["low"] > 0
        share = (
            None
            if needed is None or needed["seeds"] > len((needed["labels"] or {}).get("values", ()))
            else needed["share"]
        )
        reached += [one["strategy"]] if is_better and share is not None and share <= MUST_SHARE else []
        difference, interval = change_text(early_change(one["strategy"], at=found["labels"].index(early)))
        told = "not in every seed" if share is None else f"with {share:.0%} of the labels"
        lines.append(
            f"{one['strategy']}: random's last mIoU {told}; with {early} labels {difference} ({interval}) against "
            f"random with {found['labels'][-1]}"
        )
    told = f"reached by {', '.join(reached)}" if reached else "not reached"
    return [*lines, f"{MUST_SHARE:.0%} of the labels, and an area whose gain is no chance: {told}"]


def early_change(strategy: str, *, at: int) -> SeedComparison:
    """Compare a selection at one point of its curve with random at the end of its own, over seeds and images."""
    pairs = []
    for seed in SEEDS:
        folder = FOLDER / "hidden" / f"seed-{seed}"
        own = folder / "start" if at == 0 else folder / strategy / str(at)
        pairs.append([read_scores(one / "model" / "scores") for one in (folder / "random" / str(ROUNDS), own)])
    like = pairs[0][0]
    first, second = (np.stack([image_mious(pair[side], like=like) for pair in pairs]) for side in (0, 1))
    return compare_over_seeds(first, second=second, rng=np.random.default_rng(0), groups=group_numbers(like))
