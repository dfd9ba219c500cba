"""Which images hold enough person: by the exact union of the outlines, drawn on all cores."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
from typing import Final, NamedTuple

import msgspec

from curation.coco.people import draw_outline
from curation.coco.raster import RunLengths, count_pixels, merge
from curation.errors import EnvironmentProblem
from curation.quarantine import BadRecord
from curation.worker_process import prepare_worker

BATCH: Final = 256
"""Images handed over at once."""
MANY: Final = 4000
"""Images that are worth the start of more processes, which takes as long as to draw a few thousand."""


class Scene(NamedTuple):
    """The outlines of the people of one image of `size` (height, width), copied only on the way to another process."""

    size: tuple[int, int]
    outlines: tuple[msgspec.Raw, ...]


class AreaDecision(NamedTuple):
    """Whether the people of an image cover enough of it, and what is broken, by the place of the outline.

    An image without a sound outline is never large.
    """

    is_large: bool
    broken: Mapping[int, BadRecord]


def decide_areas(scenes: Sequence[Scene], *, min_area: float, workers: int) -> list[AreaDecision]:
    """Tell for each image whether at least `min_area` (0..1) of its pixels lie in the union of its sound outlines.

    Raises EnvironmentProblem when the `workers` processes die.
    """
    decide = partial(_decide, min_area=min_area)
    if workers < 2 or len(scenes) < MANY:
        return list(map(decide, scenes))
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=prepare_worker, initargs=(os.getpid(),)
    ) as pool:
        try:
            return list(pool.map(decide, scenes, chunksize=BATCH))
        except BrokenProcessPool as error:
            remedy = "free some memory, or work in this process alone: --workers 0"
            raise EnvironmentProblem("the processes that measure outlines have died", remedy=remedy) from error


def _decide(scene: Scene, *, min_area: float) -> AreaDecision:
    size, outlines = scene
    pixels = size[0] * size[1]
    drawn: list[RunLengths] = []
    broken: dict[int, BadRecord] = {}
    for place, outline in enumerate(outlines):
        try:
            drawn += draw_outline(outline, size=size)
        except BadRecord as error:
            broken[place] = error
    areas = list(map(count_pixels, drawn))
    # one part may be enough, and parts that are too small even side by side need not be joined
    is_large = max(areas, default=-1) / pixels >= min_area or (
        sum(areas) / pixels >= min_area and bool(drawn) and count_pixels(merge(drawn)) / pixels >= min_area
    )
    return AreaDecision(is_large, broken)
