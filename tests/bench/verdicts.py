"""Wrong labels found among hard images: known errors planted in real masks, by verdict against by mIoU alone.

The networks of the folds learn from the labels with the errors, as they would at a user's. Real wrong labels among the
portraits count as false alarms. What was made stays in `bench/verdicts`.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import pandas as pd

from curation.pixels import decode_mask, encode_gray
from tests.bench.measuring import REAL_DATA, ROOT, run_curate, say
from tests.bench.planting import KINDS, planted

FOLDER: Final = ROOT / "bench" / "verdicts"
SEEDS: Final = (0, 1, 2, 3, 4)
ERRORS: Final = 24
FOLDS: Final = 4
EPOCHS: Final = 80


def bench() -> None:
    """Print precision at the recall of mIoU < 0.8, for both ways, on each seed and over all."""
    say(f"\nWrong labels: {ERRORS} planted among 200 real portraits, {FOLDS} folds, SINet is mined")
    ratios, ours, theirs = [], [], []
    for seed in SEEDS:
        scores = mined(seed)
        recall, by_miou, by_verdict = precisions(scores)
        label_errors = scores[scores["verdict"] == "label_error"]
        found = label_errors["is_planted"]
        told = f"verdict label_error alone: precision {found.mean():.2f}, recall {found.sum() / ERRORS:.2f}"
        say(f"  seed {seed}: at recall {recall:.2f} precision {by_verdict:.2f}, mIoU < 0.8 {by_miou:.2f}; {told}")
        ratios.append(by_verdict / by_miou)
        ours.append(by_verdict)
        theirs.append(by_miou)
    say(f"  precision {spread(ours)} against {spread(theirs)}: {spread(ratios)} times")


def precisions(scores: pd.DataFrame) -> tuple[float, float, float]:
    """Give recall and precision of mIoU < 0.8, and the precision by the share `contradicted` at the same recall."""
    is_hard, is_planted = scores["miou"] < 0.8, scores["is_planted"]
    found = int((is_hard & is_planted).sum())
    ranked = scores.sort_values("contradicted", ascending=False)["is_planted"].to_numpy()
    needed = int(np.argmax(np.cumsum(ranked) >= found)) + 1
    return found / ERRORS, found / int(is_hard.sum()), found / needed


def mined(seed: int) -> pd.DataFrame:
    """Plant errors, mine, and give all scores with a column that tells which labels are wrong."""
    folder = FOLDER / str(seed)
    wrong = plant(folder, seed=seed)
    masks = ("--images", REAL_DATA / "data" / "portraits" / "images", "--masks", folder / "masks")
    run_curate("pairs", *masks, "--out", folder / "portraits", "--fit")
    models = REAL_DATA / "models"
    main, second = models / "sinet.onnx", models / "deeplabv3_mnv2_dm05.onnx"
    flags = ("--folds", FOLDS, "--epochs", EPOCHS, "--seed", seed)
    run_curate(
        "mine", "--model", main, "--second", second, "--data", folder / "portraits", *flags, "--out", folder / "hard"
    )
    scores = pd.read_parquet(folder / "hard" / "scores.parquet")
    return scores.assign(is_planted=scores["id"].isin(wrong))


def plant(folder: Path, *, seed: int) -> Sequence[str]:
    """Write all masks, some with errors, and give the ids of these."""
    rng = np.random.default_rng(seed)
    files = sorted((REAL_DATA / "data" / "portraits" / "masks").iterdir())
    masks = [decode_mask(file.read_bytes(), file=str(file)) for file in files]
    chosen = rng.choice(len(files), ERRORS, replace=False)
    for number, index in enumerate(chosen):
        other = masks[int(rng.integers(len(files)))]
        masks[index] = planted(masks[index], kind=KINDS[number % len(KINDS)], other=other, rng=rng)
    (folder / "masks").mkdir(parents=True, exist_ok=True)
    for file, mask in zip(files, masks, strict=True):
        (folder / "masks" / file.name).write_bytes(encode_gray(cv2.threshold(mask, 127, 255, cv2.THRESH_BINARY)[1]))
    return [files[index].stem for index in chosen]


def spread(values: Sequence[float]) -> str:
    """Give mean and standard deviation over seeds."""
    return f"{statistics.mean(values):.2f} +- {statistics.stdev(values):.2f}"
