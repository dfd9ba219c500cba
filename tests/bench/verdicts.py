"""Wrong labels found among hard images: known errors planted in real masks, by verdict against by mIoU alone.

The networks of the folds learn from the labels with the errors, as they would at a user's. Real wrong labels among the
portraits count as false alarms. What was made stays in `bench/verdicts`. Of the same hard images it is told how many
pixels an annotator has to repair who starts from the label, from the prediction, or from what `--prefill auto` chooses.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import pandas as pd

from curation.dataset.dataset import read_dataset
from curation.images.pixels import Mask, decode_mask, encode_gray
from labeling.findings import findings_of
from labeling.label_tools.label_studio.push.prefill import start_of
from labeling.selection.select import Prefill
from labeling.verdicts.planted_errors import plant_errors
from tests.bench.measuring import run_curate, say
from tests.places import REAL_DATA, REPOSITORY

FOLDER: Final = REPOSITORY / "bench" / "verdicts"
SEEDS: Final = (0, 1, 2, 3, 4)
ERRORS: Final = 24
FOLDS: Final = 4
IMAGES: Final = REAL_DATA / "data" / "portraits" / "images"
POLICIES: Final[tuple[Prefill, ...]] = ("label", "prediction", "auto")
EPOCHS: Final = 80


def bench() -> None:
    """Print precision at the recall of mIoU < 0.8, for both ways, on each seed and over all."""
    say(f"\nWrong labels: {ERRORS} planted among 200 real portraits; SINet is mined, DeepLabV3+ is the second model")
    for folds, told in ((0, "these two alone"), (FOLDS, f"and the networks of {FOLDS} folds")):
        say(f"  {told}:")
        bench_seeds(folds)
    bench_repair()


def bench_repair() -> None:
    """Print the pixels to repair from each start, over all seeds; without an error the label counts as the truth."""
    found = pd.concat([repairs(FOLDER / str(seed)) for seed in SEEDS])
    say("  pixels to repair in a hard image, means, by the mask to start from:")
    for told, rows in (("all", found), ("wrong labels", found[found["is_planted"]])):
        means = ", ".join(f"{name} {rows[name].mean():,.0f}" for name in POLICIES)
        nearer = int((rows["label"] <= rows["prediction"]).sum())
        say(f"    {told}: {means}; in {nearer} of {len(rows)} the label is at least as near as the prediction")


def repairs(folder: Path) -> pd.DataFrame:
    """Give, for each image that was mined with the two models, the pixels in which each start is not the truth."""
    run_curate("pairs", "--images", IMAGES, "--masks", folder / "true", "--out", folder / "truth", "--fit")
    truth, hard = read_dataset(folder / "truth"), read_dataset(folder / "hard-0")
    true = {row["id"]: row["mask"] for row in truth.table.to_pylist()}
    findings = findings_of(hard, scores=None)
    found = []
    for row in hard.table.to_pylist():
        mask = _read(truth.folder / true[row["id"]])
        starts = {name: start_of(row, dataset=hard, findings=findings, prefill=name) for name in POLICIES}
        wrong = {name: np.count_nonzero(one.mask != mask) for name, one in starts.items() if one is not None}
        found.append(wrong | {"is_planted": bool((_read(hard.path(row["mask"])) != mask).any())})
    return pd.DataFrame(found)


def bench_seeds(folds: int) -> None:
    """Print what is found with so many folds, 0 for none."""
    ratios, ours, theirs = [], [], []
    for seed in SEEDS:
        scores = mined(seed, folds=folds)
        recall, by_miou, by_doubt = precisions(scores)
        found = scores[scores["verdict"] == "label_error"]["is_planted"]
        verdict = f"verdict label_error: precision {found.mean():.2f}, recall {found.sum() / ERRORS:.2f}"
        say(f"    seed {seed}: at recall {recall:.2f} precision {by_doubt:.2f}, mIoU < 0.8 {by_miou:.2f}; {verdict}")
        ratios.append(by_doubt / by_miou)
        ours.append(by_doubt)
        theirs.append(by_miou)
    say(f"    precision {spread(ours)} against {spread(theirs)}: {spread(ratios)} times")


def precisions(scores: pd.DataFrame) -> tuple[float, float, float]:
    """Return recall and precision of mIoU < 0.8, and the precision by `label_doubt` at the same recall."""
    is_hard, is_planted = scores["miou"] < 0.8, scores["is_planted"]
    found = int((is_hard & is_planted).sum())
    ranked = scores.sort_values("label_doubt", ascending=False)["is_planted"].to_numpy()
    needed = int(np.argmax(np.cumsum(ranked) >= found)) + 1
    return found / ERRORS, found / int(is_hard.sum()), found / needed


def mined(seed: int, *, folds: int) -> pd.DataFrame:
    """Plant errors, mine, and give all scores with a column that tells which labels are wrong."""
    folder = FOLDER / str(seed)
    wrong = plant(folder, seed=seed)
    masks = ("--images", IMAGES, "--masks", folder / "masks")
    run_curate("pairs", *masks, "--out", folder / "portraits", "--fit")
    models = REAL_DATA / "models"
    main, second = models / "sinet.onnx", models / "deeplabv3_mnv2_dm05.onnx"
    flags = ("--folds", folds, "--epochs", EPOCHS) if folds else ()
    out = folder / f"hard-{folds}"
    data = ("--data", folder / "portraits", "--out", out, "--seed", seed)
    run_curate("mine", "--model", main, "--second", second, *data, *flags)
    scores = pd.read_parquet(out / "scores.parquet")
    return scores.assign(is_planted=scores["id"].isin(wrong))


def plant(folder: Path, *, seed: int) -> Sequence[str]:
    """Write all masks, some with errors, and give the ids of these."""
    rng = np.random.default_rng(seed)
    files = sorted((REAL_DATA / "data" / "portraits" / "masks").iterdir())
    masks = [_read(file) for file in files]
    _write_masks(folder / "true", files=files, masks=masks)
    chosen = plant_in(masks, rng=rng)
    _write_masks(folder / "masks", files=files, masks=masks)
    return [files[index].stem for index in chosen]


def plant_in(masks: list[Mask], *, rng: np.random.Generator) -> dict[int, str]:
    """Put errors into some of the masks, and give their numbers, each with the kind of its error."""
    everything = [str(index) for index in range(len(masks))]
    chosen = rng.choice(len(masks), ERRORS, replace=False).astype(str).tolist()
    kinds = {}
    for wrong in plant_errors(chosen, others=everything, read=lambda name: masks[int(name)], rng=rng):
        masks[int(wrong.name)], kinds[int(wrong.name)] = wrong.mask, wrong.kind
    return kinds


def _write_masks(folder: Path, *, files: Sequence[Path], masks: Sequence[Mask]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file, mask in zip(files, masks, strict=True):
        (folder / file.name).write_bytes(encode_gray(cv2.threshold(mask, 127, 255, cv2.THRESH_BINARY)[1]))


def _read(file: Path) -> Mask:
    return decode_mask(file.read_bytes(), file=str(file))


def spread(values: Sequence[float]) -> str:
    """Return mean and standard deviation over seeds."""
    return f"{statistics.mean(values):.2f} +- {statistics.stdev(values):.2f}"
