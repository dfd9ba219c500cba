"""One training in its run folder: choose the samples, continue an earlier run, publish the kept weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import msgspec
import numpy as np
from lightning.fabric import Fabric

from curation.dataset.dataset import Dataset, read_dataset
from curation.errors import ConfigurationProblem
from curation.remote.places import all_told
from curation.storage.claimed_folder import lock_file
from curation.storage.files import make_folder, write_durable
from curation.storage.lock import exclusive
from models.data.augmentation import POLICIES, Policy
from models.data.bands import warnings_of_bands
from models.data.batches import BatchLoader, Share
from models.data.choose_samples import Chosen, SampleChoice, choose_samples
from models.data.classified_images import ChosenClasses
from models.data.fuse_on_the_fly import TrainingFusion, choose_backgrounds
from models.data.read_labels import warnings_of_alphas
from models.losses.terms import check_terms
from models.metrics.class_confusion import class_facts, confusion_picture
from models.networks.catalogue import network_named, structure_of
from models.prediction.weights import save_model
from models.training.alpha_stages import with_alpha_stages
from models.training.dead_filters import dead_filters
from models.training.distillation.lessons import Asking, asked, complaints_of, teaching_facts
from models.training.distillation.soft_targets import Told
from models.training.distillation.teachers import Teacher, refuse_own_folder, teachers_of
from models.training.history import DETAILS
from models.training.logs import Logs
from models.training.priors.face_places import with_places
from models.training.priors.mean_masks import with_prior
from models.training.processes import agreed, launched, telling_of_loss
from models.training.progress import Progress
from models.training.run_folder import (
    CHECKPOINTS,
    CONFIG,
    CONFUSION,
    METRICS,
    config_text,
    drop_previous,
    finished_metrics,
    make_way,
)
from models.training.settings import Stage, TrainingOptions, TrainSettings
from models.training.settings_text import flat_settings, training_id
from models.training.stages import StageData, Training
from models.training.starting_network import card_of, refuse_moved_faces, segmenting, starting_network
from models.training.transfer.stage_data import chosen_classes, class_names, data_names, images_of


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """What is decided before the first step: the samples of every stage, and a hash of each dataset's manifest.

    `fusions` say for every stage how its samples are put on new backgrounds, None where they are not. `class_names` are
    those of class maps, where these are learnt from. `teachers` are found by their place.
    """

    settings: TrainSettings
    chosen: tuple[Chosen | ChosenClasses, ...]
    data: dict[str, str]
    fusions: tuple[TrainingFusion | None, ...]
    class_names: tuple[str, ...] = ()
    teachers: Mapping[str, Teacher] = field(default_factory=dict)

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
    structure_of(settings.network, given=settings.structure)
    refuse_moved_faces(settings)
    settings = with_alpha_stages(settings)
    for stage in settings.stages:
        if not network_named(settings.network).is_alpha:
            check_terms(stage.losses, with_alphas=stage.labels == "alpha")
        if stage.augmentation not in get_args(Policy):
            told = "; ".join(f"{name} ({meaning})" for name, meaning in POLICIES.items())
            raise ConfigurationProblem(f"there is no augmentation {stage.augmentation!r}", remedy=f"choose of: {told}")
        if not stage.data:
            raise ConfigurationProblem(
                f"stage {stage.name!r} names no data", remedy="name datasets with --data, or in `data` of the stage"
            )
    datasets = {name: read_dataset(Path(name)) for name in sorted(_names(settings))}
    chosen = tuple(
        chosen_classes(stage, settings=settings)
        if stage.kind == "classification"
        else _chosen(stage, settings=settings, datasets=datasets)
        for stage in settings.stages
    )
    fusions = tuple(_fusion(stage, settings=settings, datasets=datasets) for stage in settings.stages)
    data = {name: dataset.card.manifest_sha256 for name, dataset in datasets.items()}
    for stage, own in zip(settings.stages, chosen, strict=True):
        if isinstance(own, ChosenClasses):
            data[stage.data[0]] = own.fingerprint
    names, teachers = class_names(settings, datasets=datasets), teachers_of(settings)
    data |= {f"teacher {path}": teacher.key for path, teacher in teachers.items()}
    return TrainingPlan(
        settings=settings, chosen=chosen, data=all_told(data), fusions=fusions, class_names=names, teachers=teachers
    )


def train(
    plan: TrainingPlan,
    *,
    out: Path,
    options: TrainingOptions,
    told: Callable[[Progress], None],
    asking: Told = lambda what, done, total: None,
) -> Report:
    """Train and leave a run folder; continue where an earlier run of the same settings on the same data stopped.

    `told` hears of the training, and before that `asking` of what is done with images where there are teachers.

    A finished run is left as it is. Raises InputRefused: the folder holds another training, the data changed since, or
    a sample is broken; ConfigurationProblem; EnvironmentProblem when another run is at work in the folder, or one
    of several processes was lost.
    """
    refuse_own_folder(plan.settings.stages, out=out)
    fabric = launched(options, precision=plan.settings.precision)
    with telling_of_loss(fabric):
        return _train(plan, out=out, options=options, fabric=fabric, told=told, asking=asking)


def _train(
    plan: TrainingPlan,
    *,
    out: Path,
    options: TrainingOptions,
    fabric: Fabric,
    told: Callable[[Progress], None],
    asking: Told,
) -> Report:
    if not fabric.is_global_zero:
        done = agreed(fabric, None, training=_id(plan))
        if done is not None:
            return Report(metrics=done, was_done=True)
        return _work(plan, out=out, options=options, fabric=fabric, told=told, asking=asking)
    with exclusive(lock_file(out)):
        if options.overwrite:
            make_way(out)
        done = finished_metrics(
            out, settings=plan.settings, data=plan.data, allow_changed_data=options.allow_changed_data
        )
        agreed(fabric, done, training=_id(plan))  # the other processes wait to hear whether there is anything to do
        if done is not None:
            return Report(metrics=done, was_done=True)
        make_folder(out / CHECKPOINTS, below=out)
        report = _work(plan, out=out, options=options, fabric=fabric, told=told, asking=asking)
        drop_previous(out)
        return report


def _work(
    plan: TrainingPlan,
    *,
    out: Path,
    options: TrainingOptions,
    fabric: Fabric,
    told: Callable[[Progress], None],
    asking: Told,
) -> Report:
    fabric.barrier()
    settings = plan.settings
    card = card_of(settings, class_names=plan.class_names)
    network = starting_network(settings, chosen=plan.chosen)
    if fabric.is_global_zero:  # not before: settings that cannot train leave the folder free for others
        write_durable(out / CONFIG, config_text(settings, data=plan.data))
    how = Asking(out=out, options=options, fabric=fabric, told=asking)
    chosen, faces = with_places(plan.chosen, asking=how) if card.structure.takes_place else (plan.chosen, None)
    with_prior(network.network, samples=segmenting(chosen).training, classes=settings.classes)
    training = Training(network, settings=settings, folder=out, card=card, fabric=fabric)
    chosen, taught = asked(chosen, settings=settings, teachers=plan.teachers, asking=how)
    plan = replace(plan, chosen=chosen)
    complaints = [*training.resume(), *complaints_of(chosen, taught=taught), *(faces.warnings if faces else ())]
    logs = Logs(options.logs if fabric.is_global_zero else (), folder=out, settings=flat_settings(settings))
    share = Share(rank=fabric.global_rank, processes=fabric.world_size)

    def data_of(stage: Stage) -> StageData:
        number = settings.stages.index(stage)
        chosen, fusion = plan.chosen[number], plan.fusions[number]
        images, classes = images_of(chosen, stage=stage, settings=settings, fuse=fusion, names=plan.class_names)
        loader = BatchLoader(images, batch_size=stage.batch_size, workers=options.workers, share=share)
        return StageData(stage=stage, loader=loader, classes=classes)

    trained = training.run(data_of, logs=logs, told=told)
    logs.end()
    metrics = _metrics(training.progress, plan=plan) | teaching_facts(
        plan.chosen, taught=taught, weights=settings.weights
    )
    metrics |= {"faces": faces.told} if faces else {}
    if fabric.is_global_zero:
        origin = {"run": out.resolve().name, "id": _id(plan), **metrics}
        save_model(trained, folder=out, card=msgspec.structs.replace(card, training=origin))
    metrics |= {"optimizer": settings.stages[-1].optimizer, "dead": dead_filters(trained)}
    if fabric.is_global_zero:
        if plan.class_names:
            counts = np.array(metrics["classes"]["confusion"])
            write_durable(out / CONFUSION, confusion_picture(counts, names=plan.class_names))
        write_durable(out / METRICS, msgspec.json.format(msgspec.json.encode(metrics), indent=2) + b"\n")
    return Report(metrics=metrics, complaints=tuple(complaints))


def _chosen(stage: Stage, *, settings: TrainSettings, datasets: dict[str, Dataset]) -> Chosen:
    choice = SampleChoice(
        classes=settings.classes,
        labels=stage.labels,
        query=stage.where,
        limit=settings.limit,
        licenses=settings.licenses,
        with_teacher=stage.teacher is not None,
    )
    training = [datasets[name] for name in stage.data]
    validation = [datasets[name] for name in settings.val]
    chosen = choose_samples(training, validation=validation, choice=choice)
    return replace(chosen, warnings=(*chosen.warnings, *_label_warnings(stage, settings=settings, chosen=chosen)))


def _label_warnings(stage: Stage, *, settings: TrainSettings, chosen: Chosen) -> list[str]:
    """Say what labels are too poor to teach."""
    if stage.labels == "classes":
        return []
    if settings.classes != 1:
        return warnings_of_bands(chosen.training, kernel=settings.trimap_kernel)
    return warnings_of_alphas(chosen.training) if stage.labels == "alpha" else []


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
    return {*settings.val, *data_names(settings), *backgrounds}


def _metrics(progress: Progress, *, plan: TrainingPlan) -> dict[str, Any]:
    kept = next(row for row in reversed(progress.rows) if row["is_best"] or plan.settings.keep == "last")
    return {
        "network": plan.settings.network,
        "miou_image": kept["val_miou"],
        "std": kept["val_std"],
        "iou_person": kept["val_iou_person"],
        **{name.removeprefix("val_"): kept[name] for name in DETAILS if name in kept},
        "stage": kept["stage"],
        "epoch": kept["epoch"],
        "steps": progress.step,
        "training": [len(chosen.training) for chosen in plan.chosen],
        "validation": len(plan.chosen[-1].validation),
        "left_out": dict(plan.chosen[-1].left_out),
        "data": plan.data,
        **({"classes": class_facts(np.array(kept["confusion"]), names=plan.class_names)} if plan.class_names else {}),
    }


def _id(plan: TrainingPlan) -> str:
    return training_id(plan.settings, data=plan.data)
