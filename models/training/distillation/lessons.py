"""All stages of a training with what their teachers say, and what metrics and card tell of teachers and labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.fabric import Fabric

from models.card import TEACHER_LICENSES
from models.data.choose_samples import Chosen
from models.data.classified_images import ChosenClasses
from models.training.distillation.soft_targets import Taught, make_soft_targets, taught_by, with_soft_targets
from models.training.distillation.teachers import Teacher
from models.training.settings import Stage, TrainingOptions
from models.training.starting_network import IMAGENET
from models.training.starting_weights import licenses_of_weights

AnyChosen = Chosen | ChosenClasses


def asked(
    stages: Sequence[tuple[Stage, AnyChosen]],
    *,
    teachers: Mapping[str, Teacher],
    out: Path,
    options: TrainingOptions,
    fabric: Fabric,
) -> tuple[tuple[AnyChosen, ...], list[Taught]]:
    """Return the samples of all stages with what their teachers say of them, and what that is, for each teacher.

    The first process asks the teachers, once. Raises as `make_soft_targets`.
    """
    if teachers:
        if fabric.is_global_zero:
            make_soft_targets(_of_masks(stages), teachers=teachers, out=out, options=options)
        fabric.barrier()
    with_targets = [
        (stage, with_soft_targets(own, teacher=teachers.get(stage.teacher or ""), out=out))
        if isinstance(own, Chosen)
        else (stage, own)
        for stage, own in stages
    ]
    found = [taught_by(one, stages=_of_masks(with_targets)) for one in teachers.values()]
    return tuple(own for _, own in with_targets), found


def label_facts(chosen: Sequence[AnyChosen], *, taught: Sequence[Taught], weights: str | None) -> dict[str, Any]:
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


def _of_masks(stages: Sequence[tuple[Stage, AnyChosen]]) -> list[tuple[Stage, Chosen]]:
    return [(stage, own) for stage, own in stages if isinstance(own, Chosen)]
