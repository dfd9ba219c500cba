"""How visible fusing is: a classifier learns to tell fused pictures from photographs, and is judged on others.

50 % is perfect. It sees what lies along the outline, not what the picture shows: profiles across it, sharpness, noise
and colours on both sides. Labels of real photographs are a pixel or two off, those of fused ones never; so that this is
not what it learns, each profile is moved to the strongest edge near the outline. Photographs go through a JPEG of the
same qualities as fused pictures do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from curation.dataset.dataset import read_dataset
from tests.bench.measuring import run_curate, say, sized
from tests.places import REAL_DATA

SETS: Final = ("portraits", "eg1800")
SPLIT_SEEDS: Final = (0, 1, 2)
QUALITIES: Final = (75, 96)
REACH: Final = 16
"""Pixels of a profile to each side of the outline."""
SEARCH: Final = 4
"""Pixels by which a profile is moved to the strongest edge."""
KEPT: Final = REACH - SEARCH
POINTS: Final = 600
TOLD: Final = 6
"""Kinds of features of which the importance is printed."""
Features = NDArray[np.float64]


def bench(folder: Path) -> None:
    """Print the accuracy on held-out persons and backgrounds, mean over the seeds of the split."""
    data = REAL_DATA / "data"
    if not data.is_dir():
        say("\nSeams of fused pictures: no real data here")
        return
    coco = ("--annotations", data / "coco/annotations/instances_train2017.json", "--images", data / "coco/train2017")
    run_curate("coco-background", *coco, "--out", folder / "seam-grounds")
    found: dict[str, list[float]] = {}
    shares: Counter[str] = Counter()
    for seed in SPLIT_SEEDS[: sized(len(SPLIT_SEEDS), short=1)]:
        train, test = _sides(folder / f"seams-{seed}", grounds=folder / "seam-grounds", seed=seed)
        for name, model in _models(seed).items():
            model.fit(*train)
            found.setdefault(name, []).append(float(model.score(*test)))
            shares.update(_shares(model))
        last = f"{len(train[1])} pictures to learn from, {len(test[1])} to judge"
    say(f"\nFused pictures told from photographs, on held-out persons and backgrounds; 50 % is perfect ({last})")
    for name, scores in found.items():
        told = ", ".join(f"{100 * score:.1f}" for score in scores)
        say(f"  {name}: accuracy {100 * np.mean(scores):.1f} % (splits: {told})")
    say("  what gives them away, as shares of the importance in the random forest:")
    for kind, share in shares.most_common(TOLD):
        say(f"    {100 * share / shares.total():4.1f} %  {kind}")


def _models(seed: int) -> dict[str, Any]:
    return {
        "logistic regression": make_pipeline(StandardScaler(), LogisticRegression(C=0.05, max_iter=2000)),
        "random forest": RandomForestClassifier(400, min_samples_leaf=2, random_state=seed, n_jobs=1),
    }


def _shares(model: Any) -> Counter[str]:
    """Return the importances of a forest by kind of feature; of another model none."""
    found: Counter[str] = Counter()
    if isinstance(model, RandomForestClassifier):
        for kind, share in zip(kinds(), model.feature_importances_, strict=True):
            found[kind] += float(share)
    return found


def kinds() -> list[str]:
    """Return what each of the features is, in their order."""
    steps = 2 * KEPT
    profile = {"slope of lightness": steps, "slope of colour": steps, "bends": steps - 1, "height": 5, "steepness": 5}
    found = [f"{name} across the outline" for name, number in profile.items() for _ in range(number)]
    sides = ("4 to 16 px inside", "4 to 16 px outside", "the person", "the background")
    differences = ("both sides near the outline",) * 2 + ("person and background",) * 2
    for side in (*sides, *(f"between {pair}" for pair in differences)):
        for name, number in (("sharpness", 6), ("noise", 2), ("colours", 6)):
            found += [f"{name}, {side}"] * number
    return found


def _sides(folder: Path, *, grounds: Path, seed: int) -> tuple[tuple[Features, Features], ...]:
    """Return features and classes (1 fused) of the pictures to learn from, and of those to judge by.

    No person and no background is on both sides: `curate fuse` takes care of that.
    """
    made = []
    for name in SETS:
        out, images, masks = folder / name, REAL_DATA / "data" / name / "images", REAL_DATA / "data" / name / "masks"
        less = ("--limit", sized(1000, short=12))
        run_curate("pairs", "--images", images, "--masks", masks, "--fit", *less, "--out", out)
        run_curate("split", out, "--val", 0, "--test", 0.5, "--seed", seed)
        made.append(out)
    run_curate("fuse", "--foregrounds", *made, "--backgrounds", grounds, "--seed", seed, "--out", folder / "fused")
    rows: dict[str, tuple[list[Features], list[float]]] = {"train": ([], []), "test": ([], [])}
    for out in (*made, folder / "fused"):
        for split, seen in _pictures(out, seed=seed):
            rows[split][0].append(seen)
            rows[split][1].append(float(out.name == "fused"))
    return tuple((np.array(rows[split][0]), np.array(rows[split][1])) for split in ("train", "test"))


def _pictures(folder: Path, *, seed: int) -> Iterator[tuple[str, Features]]:
    rng = np.random.default_rng(seed)
    for row in read_dataset(folder).table.to_pylist():
        image = cv2.imread(str(folder / row["image"]))
        mask = cv2.imread(str(folder / row["mask"]), cv2.IMREAD_GRAYSCALE)
        if folder.name != "fused":
            quality = int(rng.integers(*QUALITIES))
            image = cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 1)
        seen = features(image, mask=mask)
        if seen is not None:
            yield row["split"], seen


def features(image: NDArray[Any], *, mask: NDArray[Any]) -> Features | None:
    """Return what an image (h, w, 3) shows along the outline of a mask (h, w); None where there is too little of it."""
    lab = cv2.cvtColor(image, cv2.COLOR_BGR2LAB).astype(np.float32)
    inside = cv2.distanceTransform((mask > 0).astype(np.uint8), cv2.DIST_L2, 5)
    depth = inside - cv2.distanceTransform((mask == 0).astype(np.uint8), cv2.DIST_L2, 5)
    profiles = _profiles(lab, depth=depth)
    if len(profiles) < 50:
        return None
    sides = [(depth > low) & (depth < high) for low, high in ((4, 16), (-16, -4), (16, 80), (-80, -16))]
    textures = [_texture(lab, where=side) for side in sides]
    differences = [textures[0] - textures[1], np.abs(textures[0] - textures[1]), textures[2] - textures[3]]
    return np.concatenate([_of_profiles(profiles), *textures, *differences, np.abs(differences[2])])


def _profiles(lab: NDArray[np.float32], *, depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return profiles (n, 2 * KEPT + 1, 3) across the outline, from inside to outside, moved to the strongest edge."""
    contours, _ = cv2.findContours((depth > 0).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    points = np.concatenate([contour[:, 0] for contour in contours] or [np.zeros((0, 2), np.int32)])
    height, width = depth.shape
    margin = REACH + 2
    is_far = (points >= margin).all(axis=1) & (points[:, 0] < width - margin) & (points[:, 1] < height - margin)
    points = points[is_far]
    points = points[:: max(1, len(points) // POINTS)]
    smooth = cv2.GaussianBlur(depth, (0, 0), 3)
    across, down = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    normals = np.stack([across[points[:, 1], points[:, 0]], down[points[:, 1], points[:, 0]]], axis=1)
    normals = -normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-6)
    steps = np.arange(-REACH, REACH + 1, dtype=np.float32)
    places = (points[:, None] + steps[None, :, None] * normals[:, None]).astype(np.float32)
    if not len(points):
        return np.zeros((0, 2 * KEPT + 1, 3), np.float32)
    seen = cv2.remap(lab, places[..., 0], places[..., 1], cv2.INTER_LINEAR)
    slope = np.abs(np.diff(seen, axis=1)).sum(axis=2)
    strongest = slope[:, REACH - SEARCH : REACH + SEARCH].argmax(axis=1)
    index = strongest[:, None] + np.arange(2 * KEPT + 1)[None]
    return np.take_along_axis(seen, index[..., None], axis=1)


def _of_profiles(profiles: NDArray[np.float32]) -> Features:
    slopes = np.abs(np.diff(profiles, axis=1))
    shape = np.log1p(slopes).mean(axis=0)
    height = np.abs(profiles[:, :6].mean(axis=1) - profiles[:, -6:].mean(axis=1)).sum(axis=1)
    steepness = slopes.sum(axis=2).max(axis=1) / (height + 4)
    bends = np.log1p(np.abs(np.diff(profiles[..., 0], n=2, axis=1))).mean(axis=0)
    ends = np.quantile(np.log1p(height), (0.1, 0.25, 0.5, 0.75, 0.9))
    steep = np.quantile(np.log(steepness + 0.05), (0.1, 0.25, 0.5, 0.75, 0.9))
    return np.concatenate([shape[:, 0], shape[:, 1:].sum(axis=1), bends, ends, steep])


def _texture(lab: NDArray[np.float32], *, where: NDArray[np.bool_]) -> Features:
    """Return sharpness, noise and colours of the pixels of a side; zeros where it has none."""
    if np.count_nonzero(where) < 50:
        return np.zeros(14)
    light = lab[..., 0]
    fine = np.abs(cv2.Laplacian(light, cv2.CV_32F))[where]
    coarse = np.abs(cv2.Laplacian(cv2.GaussianBlur(light, (0, 0), 2), cv2.CV_32F))[where]
    cross = cv2.filter2D(light, -1, np.array([[1, -1], [-1, 1]], np.float32) / 2)[where]
    chroma = np.abs(cv2.Laplacian(lab[..., 1] + lab[..., 2], cv2.CV_32F))[where]
    quantiles = [np.log(np.quantile(fine, q) + 0.3) for q in (0.5, 0.9, 0.98)]
    quantiles += [np.log(np.quantile(coarse, q) + 0.05) for q in (0.5, 0.9, 0.98)]
    noise = [np.log(np.median(np.abs(cross)) + 0.1), np.log(np.median(chroma) + 0.1)]
    colours = lab[where]
    return np.array([*quantiles, *noise, *(colours.mean(axis=0) / 30), *np.log(colours.std(axis=0) + 1)])
