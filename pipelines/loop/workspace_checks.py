"""What is wrong with a loop: what its next round would need and does not find, and what earlier versions left in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from curation.building.workers import RunnerOptions
from curation.dataset.dataset import read_dataset
from curation.dataset.made_before import made_before
from curation.dataset.manifest_files import is_dataset
from curation.errors import CurateError
from curation.operations.find_colours import dataset_colours
from models.registry.registry import WORKSPACE
from pipelines.loop.config import read_loop_config
from pipelines.loop.rounds import Loop, champion_of, standing
from pipelines.loop.steps import DATA
from reports.rounds.round_record import SRGB


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found in one place of a loop, and how to mend it."""

    place: str
    said: str
    remedy: str


def look_at_loop(file: Path) -> list[Finding]:
    """Return what stands in the way of the next round, and what earlier versions may have left in the loop of a
    configuration; raises what reading it raises."""
    from pipelines.loop.readiness import problems_of  # which needs torch; most of what doctor looks at does not

    loop = Loop(config=read_loop_config(file), file=file)
    os.environ[WORKSPACE] = str(loop.workspace)  # where models:/NAME@champion is looked up
    found = [
        Finding(place=one.where or str(file), said=one.reason, remedy=one.remedy)
        for one in problems_of(loop, champion=champion_of(loop))
    ]
    for folder in _datasets(loop):
        try:
            touched = made_before(read_dataset(folder))
        except CurateError as error:
            finding = Finding(place=error.where or str(folder), said=error.reason, remedy=error.remedy)
            found += [finding] if finding not in found else []
            continue
        found += [
            Finding(place=str(folder), said=f"{one.samples} samples {one.said}", remedy=one.remedy) for one in touched
        ]
    return [*found, *_champion(loop)]


def _datasets(loop: Loop) -> Iterator[Path]:
    """Return the data sets that a loop names, and the training sets of its rounds."""
    yield from loop.places(loop.datasets)
    yield from sorted(path for path in loop.rounds.glob(f"*/{DATA}") if is_dataset(path))


def _champion(loop: Loop) -> list[Finding]:
    last = standing(loop).last
    if last is None or last.miou is None or last.colours == SRGB:
        return []
    tests = [read_dataset(folder) for folder in loop.places([one.data for one in loop.config.data.test])]
    converted = sum(dataset_colours(one, runner=RunnerOptions(workers=0)).number_converted for one in tests)
    if not converted:
        return []
    said = (
        f"its mIoU of {last.miou.value:.4f} in round {last.number} was measured with {converted} images of the test "
        "sets as they are stored, which today are read in sRGB"
    )
    remedy = "nothing: the next round measures it again, and its report says so"
    return [Finding(place=last.champion, said=said, remedy=remedy)]
