"""What mining and relabelling bring in miniature: `curate ablate`, from the labels as they are to the corrected ones.

A fifth of the real portraits' labels that train are made wrong. SINet, which never saw them, is mined; what it finds
under a mIoU of 0.8 is corrected, right labels and wrong ones alike, by the true masks, which stand in for a person.
What was made stays in `bench/relabelling`.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import pandas as pd
import yaml

from curation.images.pixels import Mask, decode_mask, encode_gray
from labeling.verdicts.planted_errors import plant_errors
from tests.bench.measuring import run_curate, say
from tests.bench.recipes import SURROUNDINGS
from tests.places import REAL_DATA, REPOSITORY

FOLDER: Final = REPOSITORY / "bench" / "relabelling"
PORTRAITS: Final = REAL_DATA / "data" / "portraits"
SHARE: Final = 5
"""Of the samples that train, so many make one that gets a wrong label."""
STEPS: Final = 540
BATCH: Final = 16


def bench() -> None:
    """Print the table of the ablation."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    wrong = given_labels()
    hard = mined()
    corrected_labels(hard)
    found = len(wrong & hard)
    say(f"\nMined and relabelled: {len(wrong)} wrong labels planted; {len(hard)} hard cases hold {found} of them")
    config = FOLDER / "ablation.yaml"
    config.write_text(yaml.safe_dump(ablation(), sort_keys=False))
    curate("ablate", "--config", config, "--workers", 1, "--device", "cpu", "--quiet")
    say((FOLDER / "ablation" / "ablation.md").read_text())


def given_labels(folder: Path = FOLDER, *, val: float = 0.0) -> set[str]:
    """Make the datasets `truth` and `given`, with wrong labels among those that train, and return the ids of these."""
    pairs(folder / "truth", masks=PORTRAITS / "masks", val=val)
    learned = sorted(samples(folder / "truth").query("split == 'train'")["id"])
    files = {file.stem: file for file in sorted((PORTRAITS / "masks").iterdir())}
    rng = np.random.default_rng(0)
    wrong = set(map(str, rng.choice(learned, len(learned) // SHARE, replace=False)))
    masks = folder / "given-masks"
    masks.mkdir(exist_ok=True)
    others = sorted(files.keys() - wrong)

    def read(name: str) -> Mask:
        return decode_mask(files[name].read_bytes(), file=name)

    for spoilt in plant_errors(sorted(wrong), others=others, read=read, rng=rng):
        binary = cv2.threshold(spoilt.mask, 127, 255, cv2.THRESH_BINARY)[1]
        (masks / files[spoilt.name].name).write_bytes(encode_gray(binary))
    for name in files.keys() - wrong:
        shutil.copyfile(files[name], masks / files[name].name)
    pairs(folder / "given", masks=masks, val=val)
    return wrong


def mined() -> set[str]:
    """Mine what trains with SINet, and give the ids of the hard cases."""
    model = REAL_DATA / "models" / "sinet.onnx"
    curate("mine", "--model", model, "--data", "given", "--split", "train", "--out", "hard")
    return set(samples(FOLDER / "hard")["id"])


def corrected_labels(hard: set[str]) -> None:
    """Make the dataset `relabelled`: as `given`, but the hard cases have their true masks."""
    masks = FOLDER / "corrected-masks"
    masks.mkdir(exist_ok=True)
    for file in sorted((FOLDER / "given-masks").iterdir()):
        shutil.copyfile(PORTRAITS / "masks" / file.name if file.stem in hard else file, masks / file.name)
    pairs(FOLDER / "relabelled", masks=masks)
    curate("merge", "relabelled", "--where", f"id in {sorted(hard)}", "--out", "relabelled-hard")


def ablation() -> dict[str, Any]:
    """Return the configuration: every arm takes the same number of steps."""
    learned = int((samples(FOLDER / "given")["split"] == "train").sum())
    hard = len(samples(FOLDER / "hard"))

    def epochs(images: int) -> int:
        return round(STEPS / -(-images // BATCH))

    stage = {"name": "main", "data": ["given"], "epochs": epochs(learned), "batch_size": BATCH, "learning_rate": 0.008}
    fused = {"fusion_ratio": 0.3, "backgrounds": [str(background())]}
    twice = {"epochs": epochs(learned + hard)}
    return {
        "train": {"network": "unet_shufflenet", "input_size": [224, 224], "val": ["truth"], "stages": [stage]},
        "test": [{"data": "truth", "split": "test"}],
        "seeds": [0, 1, 2],
        "arms": [
            {"name": "labels as they are", "change": {"augmentation": "none"}},
            {"name": "augmentation, fused backgrounds", "change": fused},
            {
                "name": "and hard cases twice",
                "on": "augmentation, fused backgrounds",
                "change": {"data": ["given", "hard"]} | twice,
            },
            {
                "name": "and hard cases twice, relabelled",
                "on": "augmentation, fused backgrounds",
                "change": {"data": ["relabelled", "relabelled-hard"]} | twice,
            },
        ],
    }


def pairs(out: Path, *, masks: Path, val: float = 0.0) -> None:
    """Make a dataset of the portraits, with a split that is always the same."""
    if not (out / "manifest.parquet").exists():
        run_curate("pairs", "--images", PORTRAITS / "images", "--masks", masks, "--fit", "--out", out)
        run_curate("split", out, "--val", val, "--test", 0.2)


def background() -> Path:
    """Make the dataset of backgrounds, and give its folder."""
    coco = REAL_DATA / "data" / "coco"
    given = ("--annotations", next((coco / "annotations").glob("instances*.json")), "--images", coco / "train2017")
    curate("coco-background", *given, "--supercategories", SURROUNDINGS, "--out", "backgrounds")
    return FOLDER / "backgrounds"


def samples(dataset: Path) -> pd.DataFrame:
    """Return the samples of a dataset."""
    return pd.read_parquet(dataset / "manifest.parquet")


def curate(*arguments: object) -> None:
    """Run a command in the folder of the benchmark."""
    run_curate(*arguments, folder=FOLDER)
