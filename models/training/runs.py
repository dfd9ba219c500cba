"""One training in its run folder: choose the samples, go on where an earlier run stopped, publish the kept weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

import msgspec
import torch
from lightning.fabric import Fabric
from torch import nn

from curation.dataset import MANIFEST, Dataset, read_dataset
from curation.errors import ConfigurationProblem
from curation.files import fingerprint_file, make_folder, write_durable
from curation.lock import exclusive
from curation.quarantine import BadRecord
from models.card import ModelCard
from models.data.augmentation import POLICIES, Policy
from models.data.batches import BatchLoader, Share
from models.data.choosing import Choice, Chosen, choose_samples
from models.data.fusion_training import TrainingFusion, choose_backgrounds
from models.data.images import ImageOptions, LabelledImages
from models.data.labels import BACKGROUND, read_image, read_label
from models.losses import check_terms
from models.networks.registry import build_network, network_named
from models.starting_weights import with_weights
from models.training.logs import LogName, Logs
from models.training.optimizing import freeze
from models.training.progress import Progress
from models.training.run_folder import (
    CHECKPOINTS,
    CONFIG,
    LOCK,
    METRICS,
    config_text,
    drop_previous,
    finished_metrics,
    make_way,
)
from models.training.settings import Stage, TrainSettings, flat_settings, training_id
from models.training.stages import StageData, Training
from models.training.together import launched, telling_of_loss
from models.weights import save_model

IMAGENET: Final = "imagenet"
MEAN: Final = (123.675, 116.28, 103.53)
STD: Final = (58.395, 57.12, 57.375)
"""Of the pixels of ImageNet, 0..255: what published backbones were trained with."""
PRIOR_PX: Final = 100
PRIOR_SAMPLES: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a training runs; on one CPU nothing here changes the weights. `device` is cpu, cuda, cuda:N, or auto."""

    workers: int = 0
    device: str = "cpu"
    devices: int = 1
    nodes: int = 1
    logs: tuple[LogName, ...] = ()
    overwrite: bool = False
    allow_changed_data: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """What is decided before the first step: the samples of every stage, and a hash of each dataset's manifest.

    `fusions` say for every stage how its samples are put on new backgrounds, None where they are not.
    """

    settings: TrainSettings
    chosen: tuple[Chosen, ...]
    data: dict[str, str]
    fusions: tuple[TrainingFusion | None, ...]

    @property
    def batches(self) -> int:
        """The number of batches of the whole training."""
        return sum(
            stage.epochs * -(-len(chosen.training) // stage.batch_size)
            for stage, chosen in zip(self.settings.stages, self.chosen, strict=True)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of a training: the numbers of `metrics.json`, whether it was done already, and what had to be told."""

    metrics: dict[str, Any]
    was_done: bool = False
    complaints: tuple[str, ...] = ()


def plan_training(settings: TrainSettings) -> TrainingPlan:
    """Read the datasets and choose the samples of every stage.

    Raises InputRefused and ConfigurationProblem: no network, dataset, sample, loss or policy of that name.
    """
    network_named(settings.network)
    for stage in settings.stages:
        check_terms(stage.losses)
        if stage.augmentation not in get_args(Policy):
            told = "; ".join(f"{name} ({meaning})" for name, meaning in POLICIES.items())
            raise ConfigurationProblem(f"there is no augmentation {stage.augmentation!r}", remedy=f"choose of: {told}")
        if not stage.data:
            raise ConfigurationProblem(
                f"stage {stage.name!r} names no data", remedy="name datasets with --data, or in `data` of the stage"
            )
    datasets = {name: read_dataset(Path(name)) for name in sorted(_names(settings))}
    chosen = tuple(_chosen(stage, settings=settings, datasets=datasets) for stage in settings.stages)
    fusions = tuple(_fusion(stage, settings=settings, datasets=datasets) for stage in settings.stages)
    data = {name: fingerprint_file(dataset.folder / MANIFEST) for name, dataset in datasets.items()}
    return TrainingPlan(settings=settings, chosen=chosen, data=data, fusions=fusions)


def train(plan: TrainingPlan, *, out: Path, options: RunOptions, told: Callable[[Progress], None]) -> Report:
    """Train and leave a run folder; go on where an earlier run of the same settings on the same data stopped.

    A finished run is left as it is. Raises InputRefused: the folder holds another training, the data changed since, or
    a sample is broken; ConfigurationProblem; EnvironmentProblem when another run is at work in the folder, or one
    of several processes was lost.
    """
    fabric = launched(options, precision=plan.settings.precision)
    with telling_of_loss(fabric):
        return _train(plan, out=out, options=options, fabric=fabric, told=told)


def _train(
    plan: TrainingPlan, *, out: Path, options: RunOptions, fabric: Fabric, told: Callable[[Progress], None]
) -> Report:
    if not fabric.is_global_zero:
        nothing: dict[str, Any] | None = None
        done = fabric.broadcast(nothing)
        if done is not None:
            return Report(metrics=done, was_done=True)
        return _work(plan, out=out, options=options, fabric=fabric, told=told)
    with exclusive(out / LOCK):
        if options.overwrite:
            make_way(out)
        done = finished_metrics(
            out, settings=plan.settings, data=plan.data, allow_changed_data=options.allow_changed_data
        )
        fabric.broadcast(done)  # the other processes wait to hear whether there is anything to do
        if done is not None:
            return Report(metrics=done, was_done=True)
        make_folder(out / CHECKPOINTS, below=out)
        report = _work(plan, out=out, options=options, fabric=fabric, told=told)
        drop_previous(out)
        return report


def _work(
    plan: TrainingPlan, *, out: Path, options: RunOptions, fabric: Fabric, told: Callable[[Progress], None]
) -> Report:
    fabric.barrier()
    settings = plan.settings
    card = card_of(settings)
    training = Training(_starting_network(plan), settings=settings, folder=out, card=card, fabric=fabric)
    if fabric.is_global_zero:  # not before: settings that cannot train leave the folder free for others
        write_durable(out / CONFIG, config_text(settings, data=plan.data))
    complaints = training.resume()
    logs = Logs(options.logs if fabric.is_global_zero else (), folder=out, settings=flat_settings(settings))
    share = Share(rank=fabric.global_rank, processes=fabric.world_size)

    def data_of(stage: Stage) -> StageData:
        number = settings.stages.index(stage)
        chosen, fusion = plan.chosen[number], plan.fusions[number]
        options_of_stage = _image_options(settings, stage, fusion=fusion)
        images = LabelledImages(chosen.training, validation=chosen.validation, options=options_of_stage)
        loader = BatchLoader(images, batch_size=stage.batch_size, workers=options.workers, share=share)
        return StageData(stage=stage, loader=loader)

    network = training.run(data_of, logs=logs, told=told)
    logs.end()
    metrics = _metrics(training.progress, plan=plan)
    if fabric.is_global_zero:
        origin = {"run": out.resolve().name, "id": _id(plan), **metrics}
        save_model(network, folder=out, card=msgspec.structs.replace(card, training=origin))
        write_durable(out / METRICS, msgspec.json.format(msgspec.json.encode(metrics), indent=2) + b"\n")
    return Report(metrics=metrics, complaints=tuple(complaints))


def card_of(settings: TrainSettings) -> ModelCard:
    """Give the card of the model that these settings train; what is not known before is left empty."""
    return ModelCard(
        input_size=settings.input_size,
        channels="RGB",
        layout="NCHW",
        mean=MEAN,
        std=STD,
        output="logit" if settings.classes == 1 else "logits",
        person_index=settings.classes - 1,
        network=settings.network,
        classes=settings.classes,
    )


def network_of(settings: TrainSettings) -> nn.Module:
    """Return the network with the weights that it starts from; raises CurateError where there is no such thing."""
    torch.manual_seed(settings.seed)
    network = build_network(settings.network, classes=settings.classes, with_imagenet=settings.weights == IMAGENET)
    if settings.weights not in (None, IMAGENET):
        network = with_weights(network, Path(settings.weights))
    for stage in settings.stages:
        freeze(network, parts=stage.frozen)
    return network


def _starting_network(plan: TrainingPlan) -> nn.Module:
    """Give the network before its first step: the same for the same seed."""
    network = network_of(plan.settings)
    if hasattr(network, "set_prior"):
        prior: Any = network.set_prior
        prior(_mean_mask(plan))
    return network


def _mean_mask(plan: TrainingPlan) -> torch.Tensor:
    """Give the share of training labels of the last stage that show person at each place, (h, w) in 0..1."""
    samples = plan.chosen[-1].training[:PRIOR_SAMPLES]
    total = torch.zeros(PRIOR_PX, PRIOR_PX)
    for sample in samples:
        try:
            image = read_image(sample)
            label = read_label(sample, classes=plan.settings.classes, size=(image.shape[0], image.shape[1]))
        except BadRecord:
            continue  # the training itself will name it
        person = torch.from_numpy((label != BACKGROUND) & (label != 255))[None, None].float()
        total += nn.functional.interpolate(person, size=(PRIOR_PX, PRIOR_PX), mode="area")[0, 0]
    return (total / max(1, len(samples))).clamp(0, 1)


def _chosen(stage: Stage, *, settings: TrainSettings, datasets: dict[str, Dataset]) -> Chosen:
    choice = Choice(classes=settings.classes, query=stage.where, limit=settings.limit, licenses=settings.licenses)
    training = [datasets[name] for name in stage.data]
    validation = [datasets[name] for name in settings.val]
    return choose_samples(training, validation=validation, choice=choice)


def _fusion(stage: Stage, *, settings: TrainSettings, datasets: dict[str, Dataset]) -> TrainingFusion | None:
    if not stage.fusion_ratio:
        return None
    backgrounds, training, validation = (
        [datasets[name] for name in names] for names in (stage.backgrounds, stage.data, settings.val)
    )
    chosen = choose_backgrounds(backgrounds, training=training, validation=validation, licenses=settings.licenses)
    return TrainingFusion(backgrounds=chosen, ratio=stage.fusion_ratio)


def _names(settings: TrainSettings) -> set[str]:
    stages = settings.stages
    backgrounds = (name for stage in stages if stage.fusion_ratio for name in stage.backgrounds)
    return {*settings.val, *(name for stage in stages for name in stage.data), *backgrounds}


def _image_options(settings: TrainSettings, stage: Stage, *, fusion: TrainingFusion | None) -> ImageOptions:
    policy: Any = stage.augmentation  # checked by plan_training
    return ImageOptions(
        classes=settings.classes, input_size=settings.input_size, policy=policy, seed=settings.seed, fuse=fusion
    )


def _metrics(progress: Progress, *, plan: TrainingPlan) -> dict[str, Any]:
    kept = next(row for row in reversed(progress.rows) if row["is_best"] or plan.settings.keep == "last")
    return {
        "network": plan.settings.network,
        "miou_image": kept["val_miou"],
        "std": kept["val_std"],
        "iou_person": kept["val_iou_person"],
        "stage": kept["stage"],
        "epoch": kept["epoch"],
        "steps": progress.step,
        "training": [len(chosen.training) for chosen in plan.chosen],
        "validation": len(plan.chosen[-1].validation),
        "left_out": dict(plan.chosen[-1].left_out),
        "data": plan.data,
    }


def _id(plan: TrainingPlan) -> str:
    return training_id(plan.settings, data=plan.data)
