"""Contact sheets of what is composed, to be looked at: 24 fused frames and 6 group pictures, drawn and not chosen.

They are written as fused.jpg and groups.jpg into the folder $CURATE_BENCH_SHEETS. What they are made from is printed;
most of the real data may not be passed on, so no sheet is part of the project.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from curation.dataset.dataset import read_dataset
from curation.images.pixels import Image, decode_image, encode_image
from tests.bench.measuring import run_curate, say, sized
from tests.places import REAL_DATA

DATA: Final = REAL_DATA / "data"
MODEL: Final = REAL_DATA / "models" / "selfie_general.onnx"
PERSONS: Final = ("portraits", "eg1800", "street_fashion")
FUSED: Final = 24
GROUPS: Final = 6
PEOPLE: Final = (3, 7)
"""Least and most people of a group picture; the first two thirds are of portraits, the others of whole persons."""
SEED: Final = 20
TILE: Final = (360, 400)
GROUP: Final = (720, 1280)


def bench(folder: Path) -> None:
    """Write the sheets, and print what became of each group."""
    if not DATA.is_dir() or not MODEL.exists():
        say("\nContact sheets: no real data here")
        return
    out = Path(os.environ.get("CURATE_BENCH_SHEETS", "sheets"))
    out.mkdir(parents=True, exist_ok=True)
    grounds = folder / "sheet-grounds"
    coco = ("--annotations", DATA / "coco/annotations/instances_train2017.json", "--images", DATA / "coco/train2017")
    run_curate("coco-background", *coco, "--out", grounds)
    say(f"\nContact sheets in {out}, of {', '.join(PERSONS)} and COCO, seed {SEED}")
    _write(out / "fused.jpg", tiles=list(_fused(folder, grounds=grounds, coco=coco)), across=6)
    _write(out / "groups.jpg", tiles=list(_groups(folder, grounds=grounds)), across=2)


def _fused(folder: Path, *, grounds: Path, coco: Sequence[object]) -> Iterator[Image]:
    """Yield fused frames of all sources of persons alike, drawn among all that were made."""
    run_curate("coco-person", *coco, "--min-area", 0.1, "--max-persons", 1, "--out", folder / "sheet-coco")
    sets = [folder / "sheet-coco"]
    for name in PERSONS:
        out, images, masks = folder / f"sheet-{name}", DATA / name / "images", DATA / name / "masks"
        run_curate("pairs", "--images", images, "--masks", masks, "--fit", "--limit", sized(60, short=4), "--out", out)
        sets.append(out)
    rng = np.random.default_rng(SEED)
    made = []
    for number, out in enumerate(sets):
        fused, count = folder / f"sheet-fused-{number}", FUSED // len(sets) + 2  # some backgrounds do not fit
        frame = ("--frame", ("foreground", "background")[number % 2])
        how = ("--count", count, "--second-person", 0.3, "--seed", SEED, *frame)
        run_curate("fuse", "--foregrounds", out, "--backgrounds", grounds, *how, "--out", fused)
        made += [fused / image for image in read_dataset(fused).table["image"].to_pylist()]
    for index in rng.permutation(len(made))[:FUSED]:
        yield _tile(decode_image(made[index].read_bytes(), file=made[index].name), size=TILE)


def _groups(folder: Path, *, grounds: Path) -> Iterator[Image]:
    rng = np.random.default_rng(SEED)
    behind = [grounds / image for image in read_dataset(grounds).table["image"].to_pylist()]
    for number in range(GROUPS):
        kinds = PERSONS[:2] if number < 2 * GROUPS // 3 else PERSONS[2:]
        files = sorted(file for kind in kinds for file in (DATA / kind / "images").iterdir())
        people = int(rng.integers(PEOPLE[0], PEOPLE[1] + 1))
        chosen = [files[int(index)] for index in rng.permutation(len(files))[:people]]
        background = "#b8c4cc" if number % 2 == 0 else behind[int(rng.integers(len(behind)))]
        out = folder / f"sheet-group-{number}.png"
        how = ("--model", MODEL, "--background", background, "--json")
        told: dict[str, Any] = json.loads(run_curate("group", *chosen, *how, "--out", out))
        say(f"  group {number + 1}: {told['people']} of {people} people in {told['rows']} rows")
        for one in told["quarantine"]:
            say(f"    {Path(one['file']).parents[1].name}/{Path(one['file']).name}: {one['reason']}")
        yield _tile(decode_image(out.read_bytes(), file=out.name), size=(GROUP[0] // 2, GROUP[1] // 2))


def _tile(image: Image, *, size: tuple[int, int]) -> Image:
    """Return an image in the middle of a white tile of `size` (height, width)."""
    scale = min(size[0] / image.shape[0], size[1] / image.shape[1])
    height, width = max(1, round(scale * image.shape[0])), max(1, round(scale * image.shape[1]))
    tile = np.full((*size, 3), 255, np.uint8)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    tile[top : top + height, left : left + width] = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return tile


def _write(file: Path, *, tiles: Sequence[Image], across: int) -> None:
    filled = [*tiles, *[np.full_like(tiles[0], 255)] * (-len(tiles) % across)]
    rows = [np.hstack(filled[start : start + across]) for start in range(0, len(filled), across)]
    file.write_bytes(encode_image(np.vstack(rows), quality=92))
