"""What the stages of an alpha network are told where they say nothing, and what they must not say."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

import msgspec

from curation.errors import ConfigurationProblem
from models.losses.alphas import check_alpha_terms
from models.networks.catalogue import network_named
from models.training.settings import DEFAULT_LOSSES, Stage, TrainSettings


def with_alpha_stages(settings: TrainSettings) -> TrainSettings:
    """Return settings whose stages learn from alphas with the losses of the source, where the network gives an alpha.

    Those of other networks stay. Raises ConfigurationProblem for what an alpha network cannot do, and for a true trimap
    of a network that takes none.
    """
    network = network_named(settings.network)
    if not network.is_alpha:
        if any(stage.true_trimap for stage in settings.stages):
            raise ConfigurationProblem(
                f"{settings.network} takes no trimap, so true_trimap is not for it", remedy="leave it out"
            )
        return settings
    if settings.classes != 1 or settings.auxiliary_weight:
        what = f"classes {settings.classes}" if settings.classes != 1 else "auxiliary heads"
        raise ConfigurationProblem(f"{settings.network} gives an alpha, and has no {what}", remedy="leave it out")
    if any(stage.kind == "classification" for stage in settings.stages):
        reason = f"{settings.network} gives an alpha, and no stage of kind: classification trains its encoder"
        raise ConfigurationProblem(reason, remedy="leave the stage out, or start from --weights imagenet")
    if any(stage.teacher is not None for stage in settings.stages):
        reason = f"{settings.network} gives an alpha, and a teacher teaches the probability of person"
        raise ConfigurationProblem(reason, remedy="have the teacher label its data: curate prelabel D --teacher M")
    known: Mapping[str, float] = importlib.import_module(network.module).LOSSES
    stages = tuple(_alpha_stage(stage, known=known, name=settings.network) for stage in settings.stages)
    return msgspec.structs.replace(settings, stages=stages)


def _alpha_stage(stage: Stage, *, known: Mapping[str, float], name: str) -> Stage:
    losses = dict(known) if stage.losses == dict(DEFAULT_LOSSES) else stage.losses
    losses = {term: weight for term, weight in losses.items() if weight}
    check_alpha_terms(losses, known=known)
    if stage.class_weights is not None:
        raise ConfigurationProblem(f"{name} gives an alpha, which has no classes to weigh", remedy="leave them out")
    if stage.true_trimap and "trimap" not in known:
        raise ConfigurationProblem(f"{name} takes no trimap, so true_trimap is not for it", remedy="leave it out")
    if stage.true_trimap and "trimap" in losses:
        raise ConfigurationProblem(
            f"stage {stage.name!r} takes the true trimap, so there is none to learn",
            remedy="leave out true_trimap, or the loss trimap",
        )
    return msgspec.structs.replace(stage, labels="alpha", losses=losses)
