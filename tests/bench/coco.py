"""COCO: selection from a train2017-size file, and person masks, against the pycocotools way."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pycocotools.coco import COCO

from curation.images.pixels import encode_mask
from curation.sources.coco import PersonSelection, plan_persons
from curation.sources.coco.person_sample import person_mask
from curation.sources.demo_sources import write_coco_sample
from curation.storage.files import write_bytes
from tests.bench.measuring import CURATE, child, median_run, say, sized
from tests.places import REAL_DATA

MIN_AREA = 0.05
SLICE = 1500
IMAGES = sized(118_287, short=320)


def bench(folder: Path) -> None:
    """Print the COCO figures."""
    annotations = grown_annotations(folder)
    say(f"\nCOCO: {annotations.name}, {annotations.stat().st_size / 1e6:.0f} MB")
    command = [str(CURATE), "coco-person", "--annotations", str(annotations), "--images", str(folder)]
    ours, peak, output = median_run([*command, "--out", str(folder / "none"), "--dry-run", "--json"])
    selected = set(json.loads(output)["samples"])
    theirs, their_peak = child("tests.bench.coco:select_with_pycocotools", annotations)
    union_way = theirs["load_s"] + theirs["union_s_per_image"] * theirs["person_images"]
    agree = sum((f"{folder.name}_{stem}" in selected) == kept for stem, kept in theirs["decisions"].items())
    say(f"  coco-person --dry-run: {ours:.2f} s, peak {peak:.0f} MB; {len(selected)} images selected")
    loads = f"COCO(file) alone: {theirs['load_s']:.1f} s, peak {their_peak:.0f} MB"
    say(f"  {loads} -> {theirs['load_s'] / ours:.1f} times faster")
    unites = f"COCO(file) + union of annToMask, scaled from {len(theirs['decisions'])} images: {union_way:.0f} s"
    say(f"  {unites} -> {union_way / ours:.0f} times faster")
    say(f"  same decision on {agree} of {len(theirs['decisions'])} images of the slice")
    masks, _ = child("tests.bench.coco:time_masks", *real_or_sample(folder), folder)
    say(
        f"  person masks: {masks['ours_ms']:.2f} ms, annToMask + union + imwrite {masks['theirs_ms']:.2f} ms"
        f" -> {masks['theirs_ms'] / masks['ours_ms']:.1f} times faster, {masks['equal']} of {masks['images']} equal"
    )


def real_or_sample(folder: Path) -> tuple[Path, Path]:
    """Return annotations and images: real ones where they are, else drawn ones."""
    real = REAL_DATA / "data" / "coco"
    if real.is_dir():
        return real / "annotations" / "instances_train2017.json", real / "train2017"
    annotations, images = write_coco_sample(folder / "coco", images=sized(160, short=8), seed=0)
    data = json.loads(annotations.read_text())  # pycocotools raises for the outline that is broken on purpose
    data["annotations"] = [one for one in data["annotations"] if not _is_broken(one["segmentation"])]
    annotations.write_text(json.dumps(data))
    return annotations, images


def _is_broken(outlines: Any) -> bool:
    return isinstance(outlines, list) and any(len(one) < 6 for one in outlines)


def grown_annotations(folder: Path) -> Path:
    """Return an instances file of train2017's size: 118,287 images."""
    grown = folder / "instances_grown.json"
    if not grown.exists():
        annotations, _ = real_or_sample(folder)
        tool = REAL_DATA / "tools" / "make_coco_train.py"
        if tool.exists():
            subprocess.run([sys.executable, tool, annotations, grown], check=True, stdout=subprocess.DEVNULL)
        else:
            grown.write_text(json.dumps(_grow(json.loads(annotations.read_text()), images=IMAGES)))
    return grown


def select_with_pycocotools(path: str) -> dict[str, Any]:
    """Load with pycocotools, then decide a slice of the images by the union of annToMask; in a process of its own."""
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(path)
    load_s = time.perf_counter() - start
    ids = sorted(coco.getImgIds(catIds=coco.getCatIds(catNms=["person"])))
    decisions = {}
    start = time.perf_counter()
    for number in ids[:: max(1, len(ids) // SLICE)]:
        image = coco.imgs[number]
        annotations = [a for a in coco.imgToAnns[number] if coco.cats[a["category_id"]]["name"] == "person"]
        mask = np.zeros((image["height"], image["width"]), np.uint8)
        for annotation in annotations:
            if not annotation["iscrowd"]:
                mask |= coco.annToMask(annotation)
        is_crowd = any(annotation["iscrowd"] for annotation in annotations)
        decisions[Path(image["file_name"]).stem] = bool(not is_crowd and mask.mean() >= MIN_AREA)
    taken = time.perf_counter() - start
    per_image = taken / len(decisions)
    return {"load_s": load_s, "union_s_per_image": per_image, "person_images": len(ids), "decisions": decisions}


def time_masks(annotations: str, images: str, folder: str) -> dict[str, Any]:
    """Write the masks of the selected images both ways and compare the pixels; in a process of its own."""
    plan = plan_persons(PersonSelection(annotations=(Path(annotations),), images=(Path(images),)))
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(annotations)
    ours_s = theirs_s = 0.0
    equal = 0
    target = Path(folder) / "mask.png"
    for item in plan.items:
        start = time.perf_counter()
        mask = person_mask(item.payload)
        write_bytes(target, encode_mask(mask))
        ours_s += time.perf_counter() - start
        start = time.perf_counter()
        number = int(item.payload.image_id)
        union = np.zeros(mask.shape, np.uint8)
        for annotation in coco.imgToAnns[number]:
            if coco.cats[annotation["category_id"]]["name"] == "person" and not annotation["iscrowd"]:
                union |= coco.annToMask(annotation)
        cv2.imwrite(str(target), union * 255)
        theirs_s += time.perf_counter() - start
        equal += bool(np.array_equal(mask, union * 255))
    count = len(plan.items)
    return {"ours_ms": ours_s / count * 1e3, "theirs_ms": theirs_s / count * 1e3, "equal": equal, "images": count}


def _grow(data: dict[str, Any], *, images: int) -> dict[str, Any]:
    by_image: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in data["images"]}
    for annotation in data["annotations"]:
        by_image[annotation["image_id"]].append(annotation)
    listed, drawn = [], []
    for number in range(1, images + 1):
        image = data["images"][(number - 1) % len(data["images"])]
        listed.append(image | {"id": number, "file_name": f"{number:012d}.jpg"})
        drawn += [a | {"id": len(drawn) + n, "image_id": number} for n, a in enumerate(by_image[image["id"]], start=1)]
    return data | {"images": listed, "annotations": drawn}
