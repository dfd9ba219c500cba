"""Copies: how many changed copies of real photographs are found, how many other pairs are, and what it costs.

`CURATE_BENCH_LOOKS` are the numbers of pictures that are compared with each other; beside the search stands the plain
way, every two of them, up to `PLAIN_UP_TO` pictures.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.duplicates.find_duplicates import CHECKED, PROBES
from curation.duplicates.fingerprint import look_of
from curation.duplicates.near_duplicates import (
    ALIKE_DISTANCE,
    CANDIDATE_DISTANCE,
    TURNS,
    Alike,
    NearSearch,
    look_distance,
)
from curation.images.pixels import Image, decode_image
from tests.bench.drawn_looks import drawn_looks
from tests.bench.measuring import IS_SHORT, say, sized
from tests.places import REAL_DATA

IMAGES = sized(100, short=4)
MANY: Final = (200,) if IS_SHORT else tuple(map(int, os.environ.get("CURATE_BENCH_LOOKS", "2000 8000 32000").split()))
PLAIN_UP_TO: Final = 10_000
ALL_UP_TO: Final = 50_000
"""Of more pictures the pairs of `CHECKED` are compared with those that the index finds, as `curate duplicates` does."""
FOLDERS = (REAL_DATA / "data" / "portraits" / "images", REAL_DATA / "data" / "coco" / "train2017")


def bench() -> None:
    """Print the figures of copies."""
    say(f"\ncopies: {IMAGES} real photographs, each changed" if has_photographs() else "\ncopies")
    if has_photographs():
        for name, found in recall(photographs(IMAGES)).items():
            say(f"  {name:<18} {found:.1%} found")
    for number in MANY:
        compare(number)


def compare(number: int) -> None:
    """Print what it takes to compare so many drawn pictures, all that are near, and those that an index finds."""
    looks = drawn_looks(number)
    ways = {"every two": lambda: every_two(looks)} if number <= PLAIN_UP_TO else {}
    ways |= {"by cells, all": lambda: NearSearch(looks).pairs()} if number <= ALL_UP_TO else {}
    ways |= {"by an index": lambda: NearSearch(looks).pairs(probes=PROBES)}
    found: dict[str, set[tuple[int, int]]] = {}
    for name, way in ways.items():
        start = time.process_time()
        found[name] = {pair[:2] for pair in way()}
        seconds = time.process_time() - start
        say(f"  {number} pictures, {name:<13} {seconds:8.1f} s of processor, {len(found[name])} pairs")
    *complete, some = found.values()
    assert all(pairs == complete[0] for pairs in complete)
    if not complete:
        numbers = np.random.default_rng(0).choice(number, CHECKED, replace=False)
        complete = [{pair[:2] for pair in NearSearch(looks).pairs_of(numbers)}]
    told = f"{len(some & complete[0])} of {len(complete[0])} pairs"
    say(f"  {number} pictures, the index finds {told}: {len(some & complete[0]) / len(complete[0]):.2%}")


def every_two(looks: NDArray[np.float16]) -> Iterator[Alike]:
    """Yield the pairs of looks (n, 16, 64) that lie near each other: the plain way, which leaves nothing out."""
    whole = looks[:, 0].astype(np.float32)
    for first in range(len(looks) - 1):
        taken: set[int] = set()
        for turn, signs in TURNS.items():
            near = np.flatnonzero(whole[first + 1 :] * signs @ whole[first] > 1 - CANDIDATE_DISTANCE) + first + 1
            others = looks[near].astype(np.float32) * signs
            one = looks[first].astype(np.float32)
            products = np.maximum((others @ one[0]).max(axis=1), (others[:, 0] @ one.T).max(axis=1))
            for other, product in zip(near.tolist(), products.tolist(), strict=True):
                if max(0, 1 - product) <= ALIKE_DISTANCE and other not in taken:
                    taken.add(other)
                    yield first, other, max(0, 1 - product), turn


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


def false_pairs(images: list[Image]) -> tuple[list[tuple[int, int]], int]:
    """Return the pairs found among images that are not the same pixels, and the number of all pairs."""
    looks = np.stack([look_of(image) for image in images])
    pairs = [
        (one, other) for one, other, *_ in NearSearch(looks).pairs() if not np.array_equal(images[one], images[other])
    ]
    return pairs, len(images) * (len(images) - 1) // 2
