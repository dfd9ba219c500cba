"""Broken brush masks by the thousand, in a module that imports little, so that the peak memory is the decoder's."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np

from curation.quarantine import BadRecord, Code
from labeling.label_tools.label_studio.drawing.brush import decode_brush, encode_brush

HEIGHT, WIDTH = 200, 150


def person(*, height: int, width: int) -> np.ndarray:
    """Draw a person-like mask with ragged edges and a hole."""
    rng = np.random.default_rng(height)
    soft = cv2.GaussianBlur(rng.random((height, width)).astype(np.float32), (0, 0), 3)
    shape = np.zeros((height, width), np.float32)
    cv2.ellipse(shape, (width // 2, height), (width // 3, height // 2), 0, 0, 360, 1, -1)
    mask = np.where(cv2.GaussianBlur(shape, (0, 0), 5) + soft - 0.5 > 0.5, np.uint8(255), np.uint8(0))
    return np.asarray(cv2.circle(mask, (width // 2, 3 * height // 4), height // 10, 0, -1))


def mutate(times: int) -> tuple[int, int]:
    """Decode broken masks; give how many were refused, and the peak memory of this process in MB."""
    rng = np.random.default_rng(0)
    good = np.array(encode_brush(person(height=HEIGHT, width=WIDTH)), np.uint8)
    refused = 0
    for _ in range(times):
        data = good.copy()
        for place in rng.integers(0, len(data), rng.integers(1, 4)):
            data[place] = rng.integers(0, 256)
        data = data[: rng.integers(1, len(data) + 1)] if rng.random() < 0.3 else data
        if rng.random() < 0.3:
            data[: min(4, len(data))] = 255  # claims four thousand million values
        try:
            mask = decode_brush(data.tobytes(), height=HEIGHT, width=WIDTH)
        except BadRecord as problem:
            assert problem.code == Code.BRUSH_RLE
            refused += 1
        else:
            assert mask.shape == (HEIGHT, WIDTH)
            assert set(np.unique(mask).tolist()) <= {0, 255}
    # not ru_maxrss, which begins with the memory of the process that this one was forked from
    return refused, int(re.findall(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[0]) // 1024
