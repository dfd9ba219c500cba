"""Verdicts with a teacher on planted errors: precision, what is a probability of 0.9 worth, and are errors named right?

Predictions are those of `curate mine`, made once and kept in `bench/deep-verdicts`: no model learns from the labels, so
that they are the same whatever is planted. The probabilities rest on other errors, which are planted for them as at a
user's. The portraits have wrong labels of their own, which count as false alarms; they are judged once more without
those that were found by eye (portraits_wrong.txt). The labels of EG1800 are nearly all right.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import pandas as pd

from curation.dataset.dataset import read_dataset
from curation.images.pixels import Gray, Mask, decode_image
from curation.labels.masks import mask_of
from labeling.verdicts.deep_verdicts import KIND, PROBABILITY, deepened, hear, weigh
from labeling.verdicts.witnesses import Witnesses, witnesses_of
from models.evaluation.score_table import PREDICTIONS
from models.metrics.confusion import confusion, image_miou
from tests.bench.measuring import run_curate, say
from tests.bench.verdicts import ERRORS, plant_in, precisions, spread
from tests.places import REAL_DATA, REPOSITORY

FOLDER: Final = REPOSITORY / "bench" / "deep-verdicts"
SEEDS: Final = tuple(range(int(os.environ.get("CURATE_BENCH_SEEDS", "5"))))
TEACHER, MODELS = "selfie_general", ("sinet", "deeplabv3_mnv2_dm05")
SETS: Final = ("portraits", "eg1800")
RIGHT_NAMES: Final = {"swapped": "wrong_person"}
MUST, MUST_RATIO = 0.9, 3.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """An image with its mask as it came, what witnesses see, and the mask that the mined model predicts."""

    id: str
    mask: Mask
    witnesses: Witnesses
    predicted: Mask


def bench() -> None:
    """Print what verdicts find with a teacher, on both sets."""
    say(f"\nWrong labels with a teacher: {ERRORS} planted; {' and '.join(MODELS)}, and {TEACHER} teaches")
    for name in SETS:
        cases = cases_of(name)
        bench_cases(name, cases)
        if name == "portraits":
            wrong = wrong_to_the_eye()
            bench_cases(f"{name} whose label is right to the eye", [case for case in cases if case.id not in wrong])


def bench_cases(told_as: str, cases: list[Case]) -> None:
    """Print what verdicts find among some images, over all seeds."""
    found = [scored(cases, seed=seed) for seed in SEEDS]
    for line in told(found):
        say(f"  {told_as}, {len(cases)} images, {len(SEEDS)} seeds: {line}")


def wrong_to_the_eye() -> set[str]:
    """Return the names of the portraits whose own label is wrong."""
    lines = Path(__file__).with_name("portraits_wrong.txt").read_text().splitlines()
    return {line.split()[0] for line in lines if not line.startswith("#")}


def cases_of(name: str) -> list[Case]:
    """Return all images of a set with what the models see, predicted once."""
    data, pool = REAL_DATA / "data" / name, FOLDER / f"pool-{name}"
    run_curate("images", "--root", data / "images", "--out", pool)
    for model in (*MODELS, TEACHER):
        file = REAL_DATA / "models" / f"{model}.onnx"
        run_curate("mine", "--model", file, "--data", pool, "--out", FOLDER / f"pred-{model}-{name}", "--workers", 1)
    return [_case(row, data=data, pool=pool) for row in read_dataset(pool).table.to_pylist()]


def _case(row: dict[str, str], *, data: Path, pool: Path) -> Case:
    image = decode_image((pool / row["image"]).read_bytes(), file=row["image"])
    mask = _gray(data / "masks" / f"{row['source_id']}.png")
    height, width = image.shape[:2]
    if mask.shape != (height, width):
        mask = np.asarray(cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)
    folders = [FOLDER / f"pred-{model}-{data.name}" / PREDICTIONS for model in (TEACHER, *MODELS)]
    said = [_gray(folder / f"{row['id']}.png") for folder in folders]
    whole = np.where(mask > 127, np.uint8(255), np.uint8(0))
    return Case(id=row["id"], mask=whole, witnesses=witnesses_of(image, predictions=said), predicted=mask_of(said[1]))


def scored(cases: list[Case], *, seed: int) -> pd.DataFrame:
    """Plant errors, judge, and give a row for each image: mIoU, doubt, probability, verdict, kinds."""
    masks = [case.mask for case in cases]
    wrong = plant_in(masks, rng=np.random.default_rng(seed))
    far = len(cases) // 2
    found = weigh(
        hear(masks[n], witnesses=case.witnesses, other=masks[(n + far) % len(cases)], number=n)
        for n, case in enumerate(cases)
    )
    verdicts = [deepened({"verdict": "ok"}, number=n, weighed=found) for n in range(len(cases))]
    assert found.share is not None
    mious = [image_miou(confusion(case.predicted, truth=mask)) for case, mask in zip(cases, masks, strict=True)]
    kinds = [wrong.get(n) for n in range(len(cases))]
    table = pd.DataFrame(verdicts).reindex(columns=["verdict", "label_doubt", PROBABILITY, KIND])
    return table.assign(miou=mious, planted=kinds, is_planted=[kind is not None for kind in kinds], share=found.share)


def told(found: list[pd.DataFrame]) -> list[str]:
    """Return the lines of one set."""
    at, ratios, sure, named = [], [], [], []
    for scores in found:
        at.append(precision_at(scores, recall=MUST))
        _, by_miou, by_doubt = precisions(scores)
        ratios.append(by_doubt / by_miou)
        errors = scores[scores["verdict"] == "label_error"]["is_planted"]
        sure.append((errors.mean(), errors.sum() / ERRORS))
    every = pd.concat(found)
    likely = every[every[PROBABILITY] >= MUST]
    caught = every[every["is_planted"] & (every["verdict"] == "label_error")]
    named = Counter(caught["planted"].map(lambda kind: RIGHT_NAMES.get(kind, kind)) == caught[KIND])
    bins = [f"{part[PROBABILITY].mean():.2f}: {part['is_planted'].mean():.2f} of {len(part)}" for part in _bins(every)]
    by_kind = every[every["is_planted"]].groupby("planted")["verdict"].agg(lambda one: (one == "label_error").mean())
    reached = "reached" if float(np.mean(at)) >= MUST and float(np.mean(ratios)) >= MUST_RATIO else "not reached"
    return [
        f"precision {_spread(at)} at a recall of {MUST:g}; {_spread(ratios)} times that of mIoU < 0.8 at its recall; "
        f"{MUST:g} and {MUST_RATIO:g} times {reached}",
        f"label_error: precision {_spread([one for one, _ in sure])}, recall {_spread([one for _, one in sure])}",
        f"wrong labels: {_spread([one['share'].iloc[0] for one in found])} told, {ERRORS / len(found[0]):.2f} planted",
        f"a probability of {MUST:g} and more: {likely['is_planted'].mean():.2f} of {len(likely)} are planted errors",
        f"by probability: {'; '.join(bins)}",
        f"found by kind: {', '.join(f'{kind} {share:.2f}' for kind, share in by_kind.items())}; "
        f"named right: {named[True]} of {named.total()}",
    ]


def precision_at(scores: pd.DataFrame, *, recall: float) -> float:
    """Return the precision of the most doubted, down to where so much of what is wrong is found."""
    ranked = scores.sort_values("label_doubt", ascending=False)["is_planted"].to_numpy()
    needed = int(np.argmax(np.cumsum(ranked) >= recall * ranked.sum())) + 1
    return float(ranked[:needed].mean())


def _bins(every: pd.DataFrame) -> list[pd.DataFrame]:
    edges = (0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.01)
    parts = [every[every[PROBABILITY].between(low, high, inclusive="left")] for low, high in pairwise(edges)]
    return [part for part in parts if len(part)]


def _gray(path: Path) -> Gray:
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), np.uint8)


def _spread(values: list[float]) -> str:
    return spread(values) if len(values) > 1 else f"{values[0]:.2f}"
