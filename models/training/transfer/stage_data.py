"""What stages learn from that is no mask: folders of classes, and the names of the classes of class maps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from curation.dataset.dataset import Dataset
from curation.errors import ConfigurationProblem
from models.data.class_maps import names_of_classes
from models.data.classified_images import ChosenClasses, choose_classes
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


def class_names(settings: TrainSettings, *, datasets: Mapping[str, Dataset]) -> tuple[str, ...]:
    """Return what the classes of class maps are called, and nothing where others are learnt from."""
    if all(stage.labels != "classes" for stage in settings.stages):
        return ()
    used = [datasets[name] for name in sorted({*settings.val, *data_names(settings)})]
    return names_of_classes(used, classes=settings.classes)


def data_names(settings: TrainSettings) -> set[str]:
    """Return the datasets that train; a folder of classes is none."""
    return {name for stage in settings.stages if stage.kind == "segmentation" for name in stage.data}
