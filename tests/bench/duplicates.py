"""Copies: how many changed copies of real photographs are found, how many other pairs are, and what it costs."""

from __future__ import annotations

import time

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.duplicates.fingerprint import look_of
from curation.duplicates.near_duplicates import ALIKE_DISTANCE, alike_pairs, look_distance
from curation.images.pixels import Image, decode_image
from tests.bench.measuring import say, sized
from tests.places import REAL_DATA

IMAGES = sized(100, short=4)
MANY = sized(34_427, short=500)
FOLDERS = (REAL_DATA / "data" / "portraits" / "images", REAL_DATA / "data" / "coco" / "train2017")


def bench() -> None:
    """Print the figures of copies."""
    say(f"\ncopies: {IMAGES} real photographs, each changed" if has_photographs() else "\ncopies")
    if has_photographs():
        for name, found in recall(photographs(IMAGES)).items():
            say(f"  {name:<18} {found:.1%} found")
    looks = random_looks(MANY)
    start = time.process_time()
    pairs = sum(1 for _ in alike_pairs(looks))
    seconds = time.process_time() - start
    say(f"  {MANY} pictures compared, {looks.nbytes / 1e6:.0f} MB of looks: {seconds:.1f} s, {pairs} random pairs")


def has_photographs() -> bool:
    """Tell whether the real photographs are on this machine."""
    return all(folder.is_dir() for folder in FOLDERS)


def photographs(number: int | None = None) -> list[Image]:
    """Return real photographs, half of people and half of anything; all of them without a number."""
    each = None if number is None else number // 2
    files = [file for folder in FOLDERS for file in sorted(folder.iterdir())[:each]]
    return [decode_image(file.read_bytes(), file=str(file)) for file in files]


def recall(images: list[Image]) -> dict[str, float]:
    """Return for each kind of change the share of copies that look like their original."""
    found: dict[str, list[bool]] = {}
    for image in images:
        look = look_of(image)
        for name, copy in changed(image).items():
            found.setdefault(name, []).append(look_distance(look, look_of(copy)) <= ALIKE_DISTANCE)
    return {name: float(np.mean(hits)) for name, hits in found.items()}


def changed(image: Image) -> dict[str, Image]:
    """Return the copies that must be found."""
    height, width = image.shape[:2]
    top, left = round(0.05 * height), round(0.05 * width)
    copies = {f"JPEG {quality}": as_jpeg(image, quality=quality) for quality in (30, 60, 95)}
    copies |= {f"resized {scale}": resized(image, scale=scale) for scale in (0.5, 0.75, 1.5, 2.0)}
    copies |= {
        "cropped a side": image[top:],
        "cropped a corner": image[: height - top, left:],
        "cropped around": image[top // 2 : height - top // 2, left // 2 : width - left // 2],
    }
    copies |= {f"brightness {f:+.0%}": np.clip(image * (1 + f), 0, 255).astype(np.uint8) for f in (-0.15, 0.15)}
    return {name: np.ascontiguousarray(copy) for name, copy in copies.items()}


def as_jpeg(image: Image, *, quality: int) -> Image:
    """Encode once more."""
    encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED), dtype=np.uint8)


def resized(image: Image, *, scale: float) -> Image:
    """Scale as most programs do."""
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=how), dtype=np.uint8)


def random_looks(number: int) -> NDArray[np.float16]:
    """Return looks of noise, in blocks, so that only they themselves need memory."""
    rng = np.random.default_rng(0)
    looks = np.empty((number, 16, 64), np.float16)
    for start in range(0, number, 4096):
        block = rng.standard_normal((len(looks[start : start + 4096]), 16, 64), dtype=np.float32)
        looks[start : start + 4096] = block / np.linalg.norm(block, axis=-1, keepdims=True)
    return looks


def false_pairs(images: list[Image]) -> tuple[list[tuple[int, int]], int]:
    """Return the pairs found among images that are not the same pixels, and the number of all pairs."""
    looks = np.stack([look_of(image) for image in images])
    pairs = [(one, other) for one, other, *_ in alike_pairs(looks) if not np.array_equal(images[one], images[other])]
    return pairs, len(images) * (len(images) - 1) // 2
