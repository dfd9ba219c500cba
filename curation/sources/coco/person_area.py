"""Which images hold enough person: by the exact union of the outlines, drawn on all cores."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from curation.building.worker_process import MORTAL, prepare_worker
from curation.errors import EnvironmentProblem
from curation.quarantine import BadRecord
from curation.sources.coco.check_outline import read_segmentation
from curation.sources.coco.person_pixels import draw_outline
from curation.sources.coco.rasterise import RunLengths, count_pixels, merge

BATCH: Final = 256
"""Images handed over at once."""
LARGE_BYTES: Final = 64_000_000
"""Of annotation files; below this the start of processes takes longer than it saves."""


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


@contextmanager
def processes(files: Sequence[Path], *, workers: int) -> Iterator[Executor | None]:
    """Start `workers` processes where the files are large, none (None) where one of them would take longer to start.

    Raises EnvironmentProblem when they die.
    """
    size = sum(file.stat().st_size for file in files if file.is_file())
    if workers < 2 or size < LARGE_BYTES:
        yield None
        return
    pool = ProcessPoolExecutor(workers, mp_context=MORTAL, initializer=prepare_worker, initargs=(os.getpid(),))
    try:
        yield pool
    except BrokenProcessPool as error:
        remedy = "free some memory, or work in this process alone: --workers 0"
        raise EnvironmentProblem("the processes that measure outlines have died", remedy=remedy) from error
    finally:
        pool.shutdown(cancel_futures=True)


def decide_areas(scenes: Sequence[Scene], *, min_area: float, pool: Executor | None = None) -> list[AreaDecision]:
    """Tell for each image whether at least `min_area` (0..1) of its pixels lie in the union of its sound outlines."""
    decide = partial(_decide, min_area=min_area)
    return list(map(decide, scenes) if pool is None else pool.map(decide, scenes, chunksize=BATCH))


def _decide(scene: Scene, *, min_area: float) -> AreaDecision:
    size, outlines = scene
    pixels = size[0] * size[1]
    drawn: list[RunLengths] = []
    together = 0
    is_large = False
    broken: dict[int, BadRecord] = {}
    # the longest text is the largest person as a rule, who settles half of COCO's images
    for place in sorted(range(len(outlines)), key=lambda place: -len(outlines[place])):
        try:
            outline = read_segmentation(outlines[place], size=size)
            parts = draw_outline(outline, size=size)
        except BadRecord as error:
            broken[place] = error
            continue
        areas = list(map(count_pixels, parts))
        is_large = is_large or max(areas) / pixels >= min_area
        drawn += parts
        together += sum(areas)
    # parts that are too small even side by side need not be joined
    if not is_large and drawn and together / pixels >= min_area:
        is_large = count_pixels(merge(drawn)) / pixels >= min_area
    return AreaDecision(is_large, broken)
