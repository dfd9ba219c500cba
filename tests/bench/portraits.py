"""Which COCO images are half-body portraits: the rule against labels by eye, on 159 images of two halves.

The labels were given on contact sheets before the rule was looked at. The thresholds were chosen on the half of
train2017 alone; what holds for other images is what the half of val2017 says. Few images are portraits, so that one
image more or less moves every figure.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from curation.sources.coco.keypoints import PersonKeypoints, is_half_body
from tests.bench.measuring import say
from tests.places import REAL_DATA

HALVES: Final = {"train2017": "chosen on", "val2017": "held out"}
PORTRAITS: Final = {256353, 544238, 551757}
DOUBTFUL_PORTRAITS: Final = {192699, 214704, 519208}
"""A pair in helmets; a man aside from the middle; a man in profile."""
DOUBTFUL_OTHERS: Final = {100667, 368212, 463557, 488571, 535506, 552775}
"""Three faces behind bananas; two seated whole; a pair in profile; to the knees, looking down; half a face."""
Rule = Callable[[Sequence[PersonKeypoints], tuple[int, int]], bool]


def bench() -> None:
    """Print the confusion of the rule of before and of today's, for each half."""
    folder = REAL_DATA / "data" / "coco_keypoints"
    if not folder.is_dir():
        say("\nHalf-body portraits: no real keypoints here")
        return
    say("\nHalf-body portraits among COCO images, against labels by eye; in brackets without the doubtful ones")
    for half, use in HALVES.items():
        images = _images(folder / f"person_keypoints_{half}.json")
        for name, rule in {"before": before, "now": today}.items():
            found = {image_id for image_id, (people, frame) in images.items() if people and rule(people, frame)}
            say(f"  {half} ({use}, {len(images)} images), {name}: {_confusion(found, among=set(images))}")


def _confusion(found: set[int], *, among: set[int]) -> str:
    sure = among - DOUBTFUL_PORTRAITS - DOUBTFUL_OTHERS
    portraits = PORTRAITS | DOUBTFUL_PORTRAITS
    parts = {
        "right": found & portraits,
        "wrong": found - portraits,
        "missed": (portraits & among) - found,
        "left out": among - found - portraits,
    }
    told = [f"{name} {len(ids)} ({len(ids & sure)})" for name, ids in parts.items()]
    errors = sorted(parts["wrong"] | parts["missed"])
    return ", ".join(told) + (f"; errors: {', '.join(map(str, errors))}" if errors else "")


def today(people: Sequence[PersonKeypoints], frame: tuple[int, int]) -> bool:
    """Apply today's rule; a crowd is no person."""
    people = [one for one in people if not one.iscrowd]
    return bool(people) and is_half_body(people, frame=frame)


def before(people: Sequence[PersonKeypoints], frame: tuple[int, int]) -> bool:
    """Apply the rule of before: nose, an eye and both shoulders, and no legs or wide shoulders, whatever the size."""
    points = max(people, key=lambda one: one.area).keypoints
    flags = points[2::3]
    if flags[0] != 2 or 2 not in flags[1:3] or 0 in flags[5:7]:
        return False
    return 2 not in flags[13:17] or abs(points[15] - points[18]) >= 0.25 * frame[1]


def _images(path: Path) -> dict[int, tuple[list[PersonKeypoints], tuple[int, int]]]:
    """Return the people of each image, crowds with them, and its (height, width)."""
    content: dict[str, Any] = json.loads(path.read_text())
    images: dict[int, tuple[list[PersonKeypoints], tuple[int, int]]] = {
        image["id"]: ([], (image["height"], image["width"])) for image in content["images"]
    }
    for record in content["annotations"]:
        images[record["image_id"]][0].append(msgspec.convert(record, PersonKeypoints))
    return images
