"""`curate predict` on videos of 300 frames whose truth is known: flicker and mIoU with --smooth and without.

One video is drawn: a person-like shape moves over a still ground, under noise that makes a small model flicker. The
other is more honest: three real portraits, cut out by their labels, move by known shifts over photographs, 100 frames
each, with two scene cuts. Flicker is told twice, as the command tells it, by optical flow, and by what is known: over
the pixels that stay the same between two frames before the noise. A short run is of the drawn one and of a model that
takes red for a person.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import cv2
import numpy as np

from tests.bench.measuring import IS_SHORT, run_curate, say, sized
from tests.drawn_videos import grays_of, sound_of, times_of, write_video
from tests.models.tiny_onnx import write_tiny_onnx
from tests.places import REAL_DATA

Shown: TypeAlias = tuple[np.ndarray, np.ndarray]
"""A frame (h, w, 3) without noise, and the mask of its person (h, w)."""
FRAMES: Final = sized(300, short=12)
SIZE: Final = (240, 320)
PORTRAITS: Final = (5, 20, 100)
"""By their place in the list of files; three of different models' ease."""
NOISE: Final = {"drawn": 35.0, "portraits": 20.0}
"""Standard deviation in gray values."""


def bench(folder: Path) -> None:
    """Print the table."""
    videos: dict[str, list[Shown]] = {"drawn": list(drawn())}
    models = {"red": write_tiny_onnx(folder / "red.onnx")}
    if not IS_SHORT:
        assert REAL_DATA.is_dir(), f"there is no real data in {REAL_DATA}; set CURATE_REAL_DATA"
        videos["portraits"] = list(moved_portraits())
        models = {name: REAL_DATA / "models" / f"{name}.onnx" for name in ("sinet", "selfie_general")}
    for name, shown in videos.items():
        file = write_video(folder / f"{name}.mp4", noisy(shown, deviation=NOISE[name]))
        say(f"\n{name}: {len(shown)} frames, noise of {NOISE[name]:.0f} gray values")
        for model, path in models.items():
            compare(file, shown, model=path, name=model, folder=folder)


def compare(file: Path, shown: Sequence[Shown], *, model: Path, name: str, folder: Path) -> None:
    """Print what a model says of a video, with --smooth and without."""
    results = {}
    for how, flags in (("without", ()), ("with", ("--smooth",))):
        out = folder / f"{file.stem}-{name}-{how}"
        given = ("predict", file, "--model", model, "--out", out, "--device", "cpu", "--json")
        (told,) = json.loads(run_curate(*given, *flags))["videos"]
        mask = out / "masks" / f"{file.stem}.mp4"
        masks = [one > 0 for one in grays_of(mask)]
        results[how] = (told["flicker"] or 0.0, known_flicker(masks, shown), miou(masks, shown), told["scene_cuts"])
        is_kept = times_of(mask) == times_of(file), sound_of(mask) == sound_of(file)
        flicker, known, score, cuts = results[how]
        say(
            f"  {name:15} {how:>7} --smooth: flicker {flicker:.5f}, by what is known {known:.5f}, mIoU {score:.4f}, "
            f"{cuts} cuts; frame times kept {is_kept[0]}, sound kept {is_kept[1]}"
        )
    before, after = results["without"], results["with"]
    shares = [after[place] / before[place] if before[place] else 0.0 for place in (0, 1)]
    say(
        f"  {'':15} flicker falls to {shares[0]:.2f}, by what is known to {shares[1]:.2f}; "
        f"mIoU {after[2] - before[2]:+.4f}"
    )


def known_flicker(masks: Sequence[np.ndarray], shown: Sequence[Shown]) -> float:
    """Return the mean share of pixels that change in the mask, of those that stay the same in the frames before noise.

    Pixels near to what changes do not count: where a person moves, the mask has to.
    """
    changes = []
    for place in range(1, len(masks)):
        differs = (shown[place][0] != shown[place - 1][0]).any(axis=-1).astype(np.uint8)
        is_still = cv2.dilate(differs, np.ones((23, 23), np.uint8)) == 0
        if is_still.mean() > 0.05:
            changes.append(float((masks[place] != masks[place - 1])[is_still].mean()))
    return float(np.mean(changes)) if changes else 0.0


def miou(masks: Sequence[np.ndarray], shown: Sequence[Shown]) -> float:
    """Return the mean over frames of the mean IoU of person and background."""
    scores = []
    for mask, (_, truth) in zip(masks, shown, strict=True):
        pairs = ((mask, truth > 0), (~mask, truth == 0))
        scores.append(np.mean([(one & two).sum() / max(1, (one | two).sum()) for one, two in pairs]))
    return float(np.mean(scores))


def noisy(shown: Sequence[Shown], *, deviation: float) -> list[np.ndarray]:
    """Return frames with noise of its own in each."""
    rng = np.random.default_rng(0)
    noise = (rng.normal(0, deviation, frame.shape) for frame, _ in shown)
    return [np.clip(frame + one, 0, 255).astype(np.uint8) for (frame, _), one in zip(shown, noise)]


def drawn() -> Iterator[Shown]:
    """Yield a person-like shape, with hair, face and shoulders, that moves over a still ground."""
    height, width = SIZE
    coarse = np.random.default_rng(1).integers(60, 200, (12, 16, 3), dtype=np.uint8)
    ground = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    for number in range(FRAMES):
        x = round(width / 2 + 70 * np.sin(number / 40))
        frame, mask = ground.copy(), np.zeros(SIZE, np.uint8)
        for picture, colours in ((frame, ((200, 60, 70), (224, 172, 140), (160, 60, 40))), (mask, (255, 255, 255))):
            shirt, skin, hair = (colours[place] for place in range(3))
            cv2.ellipse(picture, (x, 240), (88, 92), 0, 0, 360, shirt, -1)
            cv2.rectangle(picture, (x - 14, 120), (x + 14, 160), skin, -1)
            cv2.ellipse(picture, (x, 90), (34, 44), 0, 0, 360, skin, -1)
            cv2.ellipse(picture, (x, 70), (37, 30), 0, 180, 360, hair, -1)
        for side in (-13, 13):
            cv2.circle(frame, (x + side, 88), 4, (40, 30, 30), -1)
        cv2.line(frame, (x - 9, 112), (x + 9, 112), (150, 60, 60), 2)
        yield frame, mask


def moved_portraits() -> Iterator[Shown]:
    """Yield real portraits that move by known shifts over photographs; each has its own ground, and is a scene."""
    data = REAL_DATA / "data"
    images, masks = (sorted((data / "portraits" / kind).iterdir()) for kind in ("images", "masks"))
    grounds = sorted((data / "coco" / "train2017").iterdir())
    height, width = SIZE
    for scene, place in enumerate(PORTRAITS):
        image, mask = (_fitted(cv2.imread(str(files[place]))) for files in (images, masks))
        ground = cv2.resize(cv2.imread(str(grounds[3 + scene])), (width, height), interpolation=cv2.INTER_AREA)
        for number in range(FRAMES // len(PORTRAITS)):
            shift = np.array([[1, 0, 18 * np.sin(number / 15)], [0, 1, 6 + 6 * np.sin(number / 23)]])
            share = cv2.warpAffine(mask, shift, (width, height)).astype(np.float32) / 255
            person = cv2.warpAffine(image, shift, (width, height), borderMode=cv2.BORDER_REPLICATE)
            frame = np.rint(share * person + (1 - share) * ground).astype(np.uint8)
            yield np.ascontiguousarray(frame[..., ::-1]), np.where(share[..., 0] >= 0.5, np.uint8(255), np.uint8(0))


def _fitted(picture: np.ndarray) -> np.ndarray:
    """Return a picture as large as fits into the frame, at its lower edge, in the middle."""
    height, width = SIZE
    scale = min(height / picture.shape[0], width / picture.shape[1])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    left = (width - small.shape[1]) // 2
    right, top = width - small.shape[1] - left, height - small.shape[0]
    return np.asarray(cv2.copyMakeBorder(small, top, 0, left, right, cv2.BORDER_CONSTANT))
