"""`curate tune`: a model that is fitted to the first frame of a video, on the other frames, against the model before.

On real data a network is trained shortly on the portraits, and the video is `video/dance-twirl`, 30 frames with masks
by hand. A short run is of drawn persons on drawn backgrounds.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from tests.bench.measuring import IS_SHORT, run_curate, say, sized
from tests.places import REAL_DATA

NETWORK: Final = "unet_shufflenet"
SIDE_PX: Final = sized(224, short=32)
TRAINING: Final = ("--input-size", f"{SIDE_PX}x{SIDE_PX}", "--epochs", sized(12, short=1), "--device", "cpu")
STEPS: Final = (2,) if IS_SHORT else (10, 30, 100, 300)
FRAME_SIZE: Final = (48, 40)
DRAWN_FRAMES: Final = 4


def bench_tune(folder: Path) -> None:
    """Print the IoU of person on the frames after the first, before and after tuning on that one."""
    images, masks = (draw if IS_SHORT else take_real)(folder)
    first = sorted(images.iterdir())[0]
    curate("pairs", "--images", images, "--masks", masks, "--out", "video", folder=folder)
    curate("train", "--data", "portraits", "--network", NETWORK, *TRAINING, "--out", "run", folder=folder)
    say(f"\n{NETWORK}, tuned on {first.name} of {len(list(images.iterdir()))} frames; the others:")
    say(f"  before         {told(folder, run='run', first=first.stem)}")
    for steps in STEPS:
        given = ("--image", first, "--mask", masks / f"{first.stem}.png", "--steps", steps)
        curate("tune", "--model", "run", *given, "--out", f"tuned-{steps}", folder=folder)
        say(f"  {steps:>5} steps    {told(folder, run=f'tuned-{steps}', first=first.stem)}")


def told(folder: Path, *, run: str, first: str) -> str:
    """Return the numbers of a model on all frames but the first."""
    flags = ("--where", f"source_id != {first!r}", "--badcases", 0, "--out", f"{run}-video", "--json")
    summary = json.loads(curate("evaluate", "--model", run, "--data", "video", *flags, folder=folder))["all"]["summary"]
    return f"mIoU {summary['miou_image']:.4f}, IoU of person {summary['iou_person']:.4f}"


def take_real(folder: Path) -> tuple[Path, Path]:
    """Make a dataset of the portraits, and return images and masks of the video."""
    assert REAL_DATA.is_dir(), f"there is no real data in {REAL_DATA}; set CURATE_REAL_DATA"
    portraits, video = REAL_DATA / "data" / "portraits", REAL_DATA / "data" / "video" / "dance-twirl"
    given = ("--images", portraits / "images", "--masks", portraits / "masks")
    curate("pairs", *given, "--fit", "--out", "portraits", folder=folder)
    curate("split", "portraits", "--val", 0.1, folder=folder)
    return video / "images", video / "masks"


def draw(folder: Path) -> tuple[Path, Path]:
    """Draw persons, and a video of one of them; return images and masks of the video."""
    from tests.curation.fusion.fusion_data import persons

    splits = dict.fromkeys("abcd", "train") | dict.fromkeys("ef", "val")
    persons(folder / "portraits", list(splits), rows={id_: {"split": split} for id_, split in splits.items()})
    images, masks = folder / "frames", folder / "masks"
    images.mkdir()
    masks.mkdir()
    ground = np.random.default_rng(0).integers(0, 256, (*FRAME_SIZE, 3), dtype=np.uint8)
    for number in range(DRAWN_FRAMES):
        mask = cv2.ellipse(np.zeros(FRAME_SIZE, np.uint8), (14 + 4 * number, 30), (8, 16), 0, 0, 360, 255, -1)
        frame = np.where(mask[..., None] > 0, np.uint8(200), ground)
        cv2.imwrite(str(images / f"{number}.png"), frame)
        cv2.imwrite(str(masks / f"{number}.png"), mask)
    return images, masks


def curate(*arguments: object, folder: Path) -> str:
    """Run a command in a folder, and return what it prints."""
    return run_curate(*arguments, *(() if "--json" in arguments else ("--quiet",)), folder=folder)
