"""What stages learn from: images with masks, folders of classes, and the names of the classes of class maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from curation.dataset.dataset import Dataset
from curation.errors import ConfigurationProblem
from models.data.batches import Images
from models.data.choose_samples import Chosen
from models.data.class_maps import mirrored_classes, names_of_classes
from models.data.classified_images import ChosenClasses, ClassifiedImages, choose_classes
from models.data.images import Fuse, ImageOptions, LabelledImages
from models.training.settings import Stage, TrainSettings


def chosen_classes(stage: Stage, *, settings: TrainSettings) -> ChosenClasses:
    """Return the images of a stage of classification; raises CurateError for other than one folder of classes."""
    if len(stage.data) != 1:
        reason = f"stage {stage.name!r} is of kind: classification, and names {len(stage.data)} folders of classes"
        raise ConfigurationProblem(reason, remedy="name one folder, in which each class has a folder of its own")
    if settings.licenses is not None and not settings.licenses.unknown:
        reason = f"of the images of stage {stage.name!r} no licence is known, and licenses allow none that is unknown"
        raise ConfigurationProblem(reason, remedy="give `unknown: true` in licenses, or leave the stage out")
    return choose_classes(Path(stage.data[0]), limit=settings.limit)


def images_of(
    chosen: Chosen | ChosenClasses, *, stage: Stage, settings: TrainSettings, fuse: Fuse | None, names: Sequence[str]
) -> tuple[Images, int]:
    """Return the images of a stage, and of how many classes their folder is, 0 for samples with masks.

    `names` are those of class maps.
    """
    policy: Any = stage.augmentation  # checked where the training was planned
    options = ImageOptions(
        classes=settings.classes,
        input_size=settings.input_size,
        policy=policy,
        seed=settings.seed,
        fuse=fuse,
        labels=stage.labels,
        trimap_kernel=settings.trimap_kernel,
        patch_px=stage.patch_px,
        vertical_flip=stage.vertical_flip,
        mirrored=mirrored_classes(tuple(names)),
        with_teacher=stage.teacher is not None,
    )
    if isinstance(chosen, ChosenClasses):
        images = ClassifiedImages(chosen.training, validation=chosen.validation, options=options)
        return images, len(chosen.names)
    return LabelledImages(chosen.training, validation=chosen.validation, options=options), 0


def class_names(settings: TrainSettings, *, datasets: Mapping[str, Dataset]) -> tuple[str, ...]:
    """Return what the classes of class maps are called, and nothing where others are learnt from."""
    if all(stage.labels != "classes" for stage in settings.stages):
        return ()
    used = [datasets[name] for name in sorted({*settings.val, *data_names(settings)})]
    return names_of_classes(used, classes=settings.classes)


def data_names(settings: TrainSettings) -> set[str]:
    """Return the datasets that train; a folder of classes is none."""
    return {name for stage in settings.stages if stage.kind == "segmentation" for name in stage.data}
