"""The network of a training before its first step, and the card of the model that is to come of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch
from torch import nn

from curation.errors import ConfigurationProblem
from models.card import ModelCard
from models.data.choose_samples import Chosen
from models.data.classified_images import ChosenClasses
from models.networks.auxiliary import LearningNetwork, learning_network
from models.networks.catalogue import build_network, network_named, structure_of
from models.structure import Structure
from models.training.optimizer import freeze, refuse_norm_of_one_image
from models.training.settings import Stage, TrainSettings
from models.training.starting_weights import structure_of_weights, with_weights

IMAGENET: Final = "imagenet"
MEAN: Final = (123.675, 116.28, 103.53)
STD: Final = (58.395, 57.12, 57.375)
"""Of the pixels of ImageNet, 0..255: what published backbones were trained with."""


def card_of(settings: TrainSettings, *, class_names: tuple[str, ...] = ()) -> ModelCard:
    """Return the card of the model that these settings train; what is not known before is left empty."""
    return ModelCard(
        input_size=settings.input_size,
        channels="RGB",
        layout="NCHW",
        mean=MEAN,
        std=STD,
        output="alpha" if network_named(settings.network).is_alpha else "logit" if settings.classes == 1 else "logits",
        person_index=1 if class_names else settings.classes - 1,
        network=settings.network,
        classes=settings.classes,
        class_names=class_names,
        structure=structure_to_train(settings),
    )


def structure_to_train(settings: TrainSettings) -> Structure:
    """Return the whole structure of the network: as it is asked for, else as the weights that it starts from had it."""
    given = settings.structure
    if settings.weights not in (None, IMAGENET):
        given |= structure_of_weights(Path(settings.weights), network=settings.network)
    return structure_of(settings.network, given=given)


def refuse_moved_faces(settings: TrainSettings) -> None:
    """Raise ConfigurationProblem where faces are sought in images from which persons are moved elsewhere."""
    stages = [stage.name for stage in settings.stages if stage.fusion_ratio]
    if stages and structure_to_train(settings).takes_place:
        raise ConfigurationProblem(
            f"stage {stages[0]!r} lays persons on new backgrounds, and the prior lies over the face, whose place there "
            "is not known",
            remedy="give fusion_ratio 0 (leave out --backgrounds), or --prior frame",
        )


def starting_network(settings: TrainSettings, *, chosen: Sequence[Chosen | ChosenClasses]) -> LearningNetwork:
    """Return the network before its first step, still without its prior: the same for the same seed."""
    network = network_of(settings)
    refuse_batches_of_one(network, stages=settings.stages, samples=[len(own.training) for own in chosen])
    return learning_network(
        network, name=settings.network, classes=settings.classes, auxiliary_weight=settings.auxiliary_weight
    )


def segmenting(chosen: Sequence[Chosen | ChosenClasses]) -> Chosen:
    """Return the samples of the last stage."""
    last = chosen[-1]
    assert isinstance(last, Chosen), "the last stage segments"
    return last


def network_of(settings: TrainSettings) -> nn.Module:
    """Return the network with the weights that it starts from; raises CurateError where there is no such thing."""
    torch.manual_seed(settings.seed)
    network = build_network(
        settings.network,
        classes=settings.classes,
        with_imagenet=settings.weights == IMAGENET,
        structure=structure_to_train(settings),
    )
    if settings.weights not in (None, IMAGENET):
        network = with_weights(network, Path(settings.weights))
    for stage in settings.stages:
        freeze(network, stage=stage)
    return network


def refuse_batches_of_one(network: nn.Module, *, stages: Sequence[Stage], samples: Sequence[int]) -> None:
    """Raise ConfigurationProblem where batch norms would learn from one image at a time; `samples` train in the stages.

    What is frozen is left as the last stage freezes it.
    """
    for stage, number in zip(stages, samples, strict=True):
        freeze(network, stage=stage)
        refuse_norm_of_one_image(network, stage=stage, samples=number)
