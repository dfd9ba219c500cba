"""Sample sources for the demo and the benchmarks, laid out as COCO and as AiFenGe, with a few defects planted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Image, encode_image
from curation.sources.drawn_people import Person, Pose, composite, draw_person, photograph
from curation.storage.files import make_folder, write_bytes

COCO_SIZE: Final = (480, 640)
AIFENGE_SIZE: Final = (800, 600)
PERSON: Final = 1
CUT_IMAGE: Final = 2
BROKEN_IMAGE: Final = 3
CATEGORIES: Final = (
    {"id": PERSON, "name": "person", "supercategory": "person"},
    {"id": 15, "name": "bench", "supercategory": "outdoor"},
    {"id": 62, "name": "chair", "supercategory": "furniture"},
    {"id": 84, "name": "book", "supercategory": "indoor"},
)
SCENES: Final = ("portrait", "portrait", "pair", "far", "crowd", "outdoor", "indoor", "furniture")
"""What the images of the COCO sample show, in turns: people near and far, a crowd region, and none."""


def write_coco_sample(folder: Path, *, images: int, seed: int) -> tuple[Path, Path]:
    """Write images and an instances file as COCO lays them out; give the paths (annotations, images).

    The second image is cut in half and one person of the third has a broken outline, as it happens in the wild.
    """
    annotations = folder / "annotations" / "instances_sample2017.json"
    pictures = folder / "sample2017"
    make_folder(annotations.parent)
    make_folder(pictures)
    height, width = COCO_SIZE
    listed: list[dict[str, Any]] = []
    drawn: list[dict[str, Any]] = []
    for number in range(1, images + 1):
        rng = np.random.default_rng([seed, number])
        scene = SCENES[(number - 1) % len(SCENES)]
        image, found = _draw_scene(rng, scene=scene)
        data = encode_image(image, quality=92)
        name = f"{number:012d}.jpg"
        write_bytes(pictures / name, data[: len(data) // 2] if number == CUT_IMAGE else data)
        listed.append({"id": number, "file_name": name, "height": height, "width": width, "license": 1})
        drawn += [{"id": len(drawn) + n, "image_id": number, **one} for n, one in enumerate(found, start=1)]
        if number == BROKEN_IMAGE:
            drawn[-1]["segmentation"] = [[10.0, 10.0, 90.0]]
    content = {
        "info": {"description": "drawn people on photographs"},
        "licenses": [{"id": 1, "name": "Public domain", "url": ""}],
        "images": listed,
        "annotations": drawn,
        "categories": list(CATEGORIES),
    }
    write_bytes(annotations, json.dumps(content).encode())
    return annotations, pictures


def write_aifenge_sample(folder: Path, *, images: int, seed: int) -> Path:
    """Write photographs and RGBA cut-outs as AiFenGe lays them out, and give the root folder.

    As in the public copy there are `._` files that hold no data, and one cut-out has no photograph.
    """
    batch, group = "1803151818", "00000000"
    photos = folder / "clip_img" / batch / f"clip_{group}"
    cutouts = folder / "matting" / batch / f"matting_{group}"
    make_folder(photos)
    make_folder(cutouts)
    height, width = AIFENGE_SIZE
    for number in range(images):
        rng = np.random.default_rng([seed, 1_000_000 + number])
        pose = Pose(
            middle=width * rng.uniform(0.42, 0.58),
            top=height * rng.uniform(0.08, 0.2),
            head=height * rng.uniform(0.17, 0.24),
            has_hand_on_hip=number % 3 == 0,
        )
        person = draw_person(rng, height=height, width=width, pose=pose)
        photo = composite(person, photograph(rng, height=height, width=width))
        name = f"{batch}-{number:08d}"
        if number != images - 1:
            write_bytes(photos / f"{name}.jpg", encode_image(photo, quality=92))
        write_bytes(cutouts / f"{name}.png", encode_image(_cut_out(photo, alpha=person.alpha)))
    write_bytes(cutouts.parent / f"._matting_{group}", b"\x00\x05\x16\x07")
    return folder


def _draw_scene(rng: np.random.Generator, *, scene: str) -> tuple[Image, list[dict[str, Any]]]:
    height, width = COCO_SIZE
    image = photograph(rng, height=height, width=width)
    thing = {"outdoor": 15, "furniture": 62}.get(scene, 84)
    corners = [20.0, 400.0, 140.0, 400.0, 140.0, 470.0, 20.0, 470.0]
    found: list[dict[str, Any]] = [
        {"category_id": thing, "iscrowd": 0, "segmentation": [corners], "area": 8400.0, "bbox": [20, 400, 120, 70]}
    ]
    for share, size in {
        "portrait": ((0.5, 0.24),),
        "pair": ((0.28, 0.17), (0.7, 0.2)),
        "far": ((0.6, 0.035),),
        "crowd": ((0.3, 0.2), (0.75, 0.05)),
    }.get(scene, ()):
        pose = Pose(
            middle=width * (share + rng.uniform(-0.05, 0.05)),
            top=height * (rng.uniform(0.12, 0.2) if size > 0.1 else 0.75),
            head=height * size * rng.uniform(0.9, 1.1),
            has_hand_on_hip=rng.random() < 0.5,
        )
        person = draw_person(rng, height=height, width=width, pose=pose)
        image = composite(person, image)
        found.append(_annotation(person, is_crowd=scene == "crowd" and size < 0.1))
    return image, found


def _annotation(person: Person, *, is_crowd: bool) -> dict[str, Any]:
    """Return a person as COCO does: outlines where that is exact, run lengths where the mask has holes or is a
    crowd.
    """
    mask = np.asarray(person.alpha > 127, np.uint8)
    x, y, width, height = cv2.boundingRect(mask)
    return {
        "category_id": PERSON,
        "iscrowd": int(is_crowd),
        "segmentation": {"size": list(mask.shape), "counts": _run_lengths(mask)},
        "area": int(mask.sum()),
        "bbox": [x, y, width, height],
    }


def _run_lengths(mask: NDArray[np.uint8]) -> list[int]:
    """Return the run lengths of a {0, 1} mask (H, W), column by column, beginning with a run of 0."""
    flat = np.concatenate([[0], mask.T.reshape(-1), [0]])
    edges = np.flatnonzero(np.diff(flat))
    bounds = np.concatenate([[0], edges, [mask.size]])
    lengths = np.diff(bounds)
    return [int(n) for n in (lengths[:-1] if mask.T.reshape(-1)[-1] else lengths)]


def _cut_out(photo: Image, *, alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the photograph (H, W, 4) with an alpha, black where nothing is seen, as AiFenGe's files are."""
    return np.dstack([np.where(alpha[..., None] > 0, photo, 0), alpha])
