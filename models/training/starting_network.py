"""The network of a training before its first step, and the card of the model that is to come of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from curation.quarantine import BadRecord
from models.card import ModelCard
from models.data.choose_samples import LabelledImage
from models.data.read_labels import read_image, read_label
from models.losses.targets import BACKGROUND, IGNORED
from models.networks.catalogue import build_network, network_named, structure_of
from models.structure import Structure
from models.training.optimizer import freeze, refuse_norm_of_one_image
from models.training.settings import Stage, TrainSettings
from models.training.starting_weights import structure_of_weights, with_weights

IMAGENET: Final = "imagenet"
MEAN: Final = (123.675, 116.28, 103.53)
STD: Final = (58.395, 57.12, 57.375)
"""Of the pixels of ImageNet, 0..255: what published backbones were trained with."""
PRIOR_PX: Final = 100
PRIOR_SAMPLES: Final = 2000


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


def with_prior(network: nn.Module, *, samples: Sequence[LabelledImage], classes: int) -> None:
    """Tell a network that has a prior where the labels of samples show persons."""
    if hasattr(network, "set_prior"):
        prior: Any = network.set_prior
        prior(_mean_mask(samples[:PRIOR_SAMPLES], classes=classes))


def _mean_mask(samples: Sequence[LabelledImage], *, classes: int) -> torch.Tensor:
    """Return the share of labels that show person at each place, (h, w) in 0..1."""
    total = torch.zeros(PRIOR_PX, PRIOR_PX)
    for sample in samples:
        if sample.label is None:
            continue
        try:
            image = read_image(sample)
            label = read_label(sample, classes=classes, size=(image.shape[0], image.shape[1]))
        except BadRecord:
            continue  # the training itself will name it
        person = torch.from_numpy((label != BACKGROUND) & (label != IGNORED))[None, None].float()
        total += nn.functional.interpolate(person, size=(PRIOR_PX, PRIOR_PX), mode="area")[0, 0]
    return (total / max(1, len(samples))).clamp(0, 1)
