"""All stages of a training with what their teachers say, and what metrics and card tell of teachers and labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.fabric import Fabric

from models.card import TEACHER_LICENSES
from models.data.choose_samples import Chosen
from models.data.classified_images import ChosenClasses
from models.training.distillation.copies import COPIES, LOOKS, Looking, without_copies
from models.training.distillation.soft_targets import Taught, Told, make_soft_targets, taught_by, with_soft_targets
from models.training.distillation.teachers import Teacher
from models.training.settings import Stage, TrainingOptions, TrainSettings
from models.training.starting_network import IMAGENET
from models.training.starting_weights import licenses_of_weights

AnyChosen = Chosen | ChosenClasses


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Asking:
    """Where and how teachers are asked; `told` is called with what is under way, and how many images are done."""

    out: Path
    options: TrainingOptions
    fabric: Fabric
    told: Told


def asked(
    chosen: Sequence[AnyChosen], *, settings: TrainSettings, teachers: Mapping[str, Teacher], asking: Asking
) -> tuple[tuple[AnyChosen, ...], list[Taught]]:
    """Return the samples of all stages with what their teachers say of them, and what that is, for each teacher.

    Where a teacher teaches, copies of images that judge are left out. The first process looks at the images and asks
    the teachers, once. Raises as `without_copies` and `make_soft_targets`.
    """
    stages = list(zip(settings.stages, chosen, strict=True))
    if not teachers:
        return tuple(chosen), []
    out, fabric = asking.out, asking.fabric
    if fabric.is_global_zero:
        stages = _apart(stages, settings=settings, asking=asking)
        make_soft_targets(_of_masks(stages), teachers=teachers, out=out, options=asking.options, told=asking.told)
    fabric.barrier()
    if not fabric.is_global_zero:
        stages = _apart(stages, settings=settings, asking=asking)
    with_targets = [
        (stage, with_soft_targets(own, teacher=teachers.get(stage.teacher or ""), out=out))
        if isinstance(own, Chosen)
        else (stage, own)
        for stage, own in stages
    ]
    found = [taught_by(one, stages=_of_masks(with_targets)) for one in teachers.values()]
    return tuple(own for _, own in with_targets), found


def teaching_facts(chosen: Sequence[AnyChosen], *, taught: Sequence[Taught], weights: str | None) -> dict[str, Any]:
    """Return what is to be told of labels that models made and of teachers; {} where there are none.

    Licences are also those of the model with whose `weights` the training began.
    """
    parts = [one for one in chosen if isinstance(one, Chosen)]
    sources: Counter[str] = Counter()
    for part in parts:
        sources |= Counter(part.label_sources)
    licenses = {text for part in parts for text in part.label_licenses}
    licenses |= {text for one in taught for text in one.teacher.licenses}
    licenses |= set(licenses_of_weights(Path(weights)) if weights is not None and weights != IMAGENET else ())
    found: dict[str, Any] = {}
    if sources:
        found["label_sources"] = dict(sources)
    if taught:
        found["teachers"] = [one.told for one in taught]
        found["unlabelled"] = [one.unlabelled if isinstance(one, Chosen) else 0 for one in chosen]
    if licenses:
        found[TEACHER_LICENSES] = sorted(licenses)
    return found


def complaints_of(chosen: Sequence[AnyChosen], *, taught: Sequence[Taught]) -> list[str]:
    """Say what teachers cannot teach, and what images were left out since they look like those that judge."""
    copies = max((one.left_out.get(COPIES, 0) for one in chosen if isinstance(one, Chosen)), default=0)
    told = [f"{copies} images look like those that validate or test, and are left out"] if copies else []
    return [*told, *(warning for one in taught for warning in one.warnings)]


def _apart(
    stages: Sequence[tuple[Stage, AnyChosen]], *, settings: TrainSettings, asking: Asking
) -> list[tuple[Stage, AnyChosen]]:
    is_first = asking.fabric.is_global_zero
    return [
        (
            stage,
            without_copies(
                own,
                stage=stage,
                settings=settings,
                looking=Looking(
                    folder=asking.out / LOOKS, workers=asking.options.workers, is_kept=is_first, told=asking.told
                ),
            ),
        )
        if isinstance(own, Chosen) and stage.teacher is not None
        else (stage, own)
        for stage, own in stages
    ]


def _of_masks(stages: Sequence[tuple[Stage, AnyChosen]]) -> list[tuple[Stage, Chosen]]:
    return [(stage, own) for stage, own in stages if isinstance(own, Chosen)]
