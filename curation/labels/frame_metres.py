"""How many metres of a scene a frame shows, by things in it whose size is known.

Who is laid on a photograph stands in front of all that is in it, and what is further away looks smaller. So she may not
look smaller than the things behind her: a person of 1.7 m needs a frame that shows as much at the nearest of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

LONGEST_M: Final[dict[str, float]] = {
    "bicycle": 1.7,
    "car": 4.4,
    "motorcycle": 2.1,
    "airplane": 30.0,
    "bus": 11.0,
    "train": 25.0,
    "truck": 6.0,
    "boat": 6.0,
    "traffic light": 1.0,
    "fire hydrant": 0.8,
    "stop sign": 0.75,
    "parking meter": 1.3,
    "bench": 1.5,
    "bird": 0.3,
    "cat": 0.5,
    "dog": 0.8,
    "horse": 2.4,
    "sheep": 1.2,
    "cow": 2.4,
    "elephant": 5.0,
    "bear": 1.9,
    "zebra": 2.3,
    "giraffe": 5.0,
    "backpack": 0.5,
    "umbrella": 1.0,
    "handbag": 0.35,
    "tie": 0.5,
    "suitcase": 0.7,
    "frisbee": 0.27,
    "skis": 1.7,
    "snowboard": 1.5,
    "sports ball": 0.22,
    "kite": 1.2,
    "baseball bat": 0.85,
    "baseball glove": 0.3,
    "skateboard": 0.8,
    "surfboard": 2.2,
    "tennis racket": 0.69,
    "bottle": 0.28,
    "wine glass": 0.2,
    "cup": 0.11,
    "fork": 0.2,
    "knife": 0.25,
    "spoon": 0.18,
    "bowl": 0.18,
    "banana": 0.2,
    "apple": 0.08,
    "sandwich": 0.18,
    "orange": 0.08,
    "broccoli": 0.15,
    "carrot": 0.18,
    "hot dog": 0.18,
    "pizza": 0.33,
    "donut": 0.1,
    "cake": 0.3,
    "chair": 0.95,
    "couch": 2.0,
    "potted plant": 0.6,
    "bed": 2.1,
    "dining table": 1.5,
    "toilet": 0.75,
    "tv": 1.0,
    "laptop": 0.38,
    "mouse": 0.11,
    "remote": 0.18,
    "keyboard": 0.45,
    "cell phone": 0.15,
    "microwave": 0.5,
    "oven": 0.9,
    "toaster": 0.3,
    "sink": 0.6,
    "refrigerator": 1.75,
    "book": 0.25,
    "clock": 0.35,
    "vase": 0.3,
    "scissors": 0.18,
    "teddy bear": 0.4,
    "hair drier": 0.25,
    "toothbrush": 0.18,
}
"""The longest side of usual ones of COCO's categories, in metres. Conventions: what is sold, and how animals grow."""


def frame_metres(things: Iterable[tuple[str, float]], *, height_px: int) -> float | None:
    """Return how many metres the height of a frame shows at the nearest of its things, at most.

    Of each thing the category and its longest side in pixels are given. One that the frame cuts off, or that something
    hides, shows less of its length, so that the frame shows even less than this. None where no size is known.

    >>> frame_metres([("pizza", 240.0), ("bottle", 40.0)], height_px=480)
    0.66
    """
    found = [LONGEST_M[name] * height_px / longest for name, longest in things if name in LONGEST_M and longest > 0]
    return min(found, default=None)
