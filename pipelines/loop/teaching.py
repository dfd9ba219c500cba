"""Teachers in a round: models that label the pool before it is trained on, and those that stages learn from.

What they label trains where they agree; no test set may hold it, unless a person looked at it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from models.training.settings import Stage
from pipelines.labels.prelabel_flags import PrelabelFlags
from pipelines.loop.config import ITSELF
from pipelines.loop.rounds import Loop, RoundPlan

PRELABELLED: Final = "prelabelled"
"""The folder of a round that holds the pool with labels from teachers."""
OF_TEACHERS: Final = ("teacher", "distill", "distill_temperature", "distill_boundary", "distill_confidence")


def prelabel_flags(loop: Loop, *, plan: RoundPlan, out: Path) -> PrelabelFlags | None:
    """Return how the pool is labelled in a round; None where no teacher is asked, or there is no pool."""
    told = loop.config.teach
    teachers = [name if name != ITSELF else plan.champion for name in told.teachers]
    if not loop.pool or not any(teachers):
        return None
    return PrelabelFlags(
        pool=tuple(loop.pool),
        teacher=tuple(loop.model(name) for name in teachers if name),
        out=out / PRELABELLED,
        agreement=told.agreement,
        support=told.support,
        with_flips=told.with_flips,
        test=tuple(dict.fromkeys(loop.place(one.data) for one in loop.config.data.test)),
        prefix=len(loop.pool) > 1,
    )


def taught_stage(stage: Stage, *, loop: Loop, champion: str) -> Stage:
    """Return a stage whose teacher is found from where the command runs; a champion that is not there is none."""
    if stage.teacher is None:
        return stage
    if stage.teacher == ITSELF and not champion:
        usual = Stage()
        return msgspec.structs.replace(stage, **{name: getattr(usual, name) for name in OF_TEACHERS})
    name = champion if stage.teacher == ITSELF else str(loop.model(stage.teacher))
    return msgspec.structs.replace(stage, teacher=name)


def learns_from_pool(loop: Loop) -> bool:
    """Tell whether a stage has a teacher, which has something to say of images without labels too."""
    return any(stage.teacher is not None for stage in loop.config.train.stages)
