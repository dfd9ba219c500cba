"""The settings of a training: a network, and consecutive stages, each with its data and hyperparameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec

from curation.dataset.licenses import LicenseRules
from models.data.choose_samples import LabelKind
from models.distillation import Distillation
from models.structure import Structure
from models.yaml_files.config import ConfigText, converted, loaded, read_config_text

LogName = Literal["tensorboard", "mlflow"]
MIN_SIDE_PX: Final = 32
MOST_CLASSES: Final = 254
"""Of class maps, whose pixels have 8 bits; 255 is ignored."""
MAX_KERNEL_PX: Final = 500
DEFAULT_LOSSES: Final = (("cross_entropy", 1.0), ("dice", 1.0))

OF_MASKS: Final = (
    "where",
    "labels",
    "losses",
    "class_weights",
    "vertical_flip",
    "fusion_ratio",
    "backgrounds",
    "true_trimap",
    *("teacher", "distill", "distill_temperature", "distill_boundary", "distill_confidence"),
)
"""Keys of a stage that learns from masks."""
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions:
    """How a training runs; on one CPU nothing here changes the weights. `device` is cpu, cuda, cuda:N, or auto."""

    workers: int = 0
    device: str = "cpu"
    devices: int = 1
    nodes: int = 1
    logs: tuple[LogName, ...] = ()
    overwrite: bool = False
    allow_changed_data: bool = False


class Stage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One stage: what it learns from and how.

    `frozen` names parts of the network by the start of their parameters' names, e.g. `encoder`; these do not learn.
    `learning_rate` is the highest; it rises over `warmup` (a share of the stage's steps) and falls by `schedule`.
    `where` is a pandas query on the rows that train. `accumulate` batches make one step. A share `fusion_ratio` of the
    samples is laid on images of the datasets `backgrounds`, 0 for none. `labels` are masks (trimaps with 3 classes),
    alphas, which are learnt as shares from 0 to 1, or class maps. `class_weights` say how much each class counts in the
    losses that are means over pixels; with 1 class of background and person. `batch_norm: frozen` keeps statistics,
    scales and shifts of the batch norms in `batch_norm_parts`, or in the whole network where these are none. `patch_px`
    is the longer side of a patch of the augmentation `patch`; `vertical_flip` turns half of the samples upside down.
    A stage of `kind: classification` trains the encoder alone, on a folder of classes; its loss is cross-entropy.
    With `true_trimap` the matting part of `shm` sees the true trimap, in place of what its trimap part predicts.
    A `teacher` is a model whose probabilities are learnt as well, also of samples without a label; how it counts say
    the keys of `distill`, see `Distillation`.
    """

    name: str = "main"
    kind: Literal["segmentation", "classification"] = "segmentation"
    data: tuple[str, ...] = ()
    where: str | None = None
    epochs: int = 60
    batch_size: int = 16
    accumulate: int = 1
    learning_rate: float = 5e-3
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    momentum: float = 0.99
    nesterov: bool = False
    weight_decay: float = 0.01
    schedule: Literal["cosine", "poly", "constant"] = "cosine"
    warmup: float = 0.05
    labels: LabelKind = "mask"
    losses: dict[str, float] = msgspec.field(default_factory=lambda: dict(DEFAULT_LOSSES))
    class_weights: tuple[float, ...] | None = None
    augmentation: str = "modern"
    patch_px: int = 400
    vertical_flip: bool = False
    frozen: tuple[str, ...] = ()
    batch_norm: Literal["train", "frozen"] = "train"
    batch_norm_parts: tuple[str, ...] = ()
    true_trimap: bool = False
    fusion_ratio: float = 0.0
    backgrounds: tuple[str, ...] = ()
    teacher: str | None = None
    distill: float = 1.0
    distill_temperature: float = 1.0
    distill_boundary: float = 1.0
    distill_confidence: float = 0.0

    def __post_init__(self) -> None:
        """Refuse numbers that cannot train."""
        for name in ("epochs", "batch_size", "accumulate", "patch_px"):
            if (value := getattr(self, name)) < 1:
                raise ValueError(f"{name} must be 1 or more - got {value}")
        if not 0 < self.learning_rate < float("inf"):
            raise ValueError(f"learning_rate must be above 0 - got {self.learning_rate}")
        for name, share in (("warmup", self.warmup), ("momentum", self.momentum)):
            if not 0 <= share < 1:
                raise ValueError(f"{name} must be 0 or more, and below 1 - got {share}")
        if self.weight_decay < 0:
            raise ValueError(f"weight_decay must be 0 or more - got {self.weight_decay}")
        if self.nesterov and not (self.optimizer == "sgd" and self.momentum):
            raise ValueError("nesterov is for the optimizer sgd with a momentum above 0")
        if self.batch_norm_parts and self.batch_norm == "train":
            raise ValueError("batch_norm_parts name what is frozen - give batch_norm frozen, or leave them out")
        if self.kind == "classification":
            _refuse_what_is_of_masks(self)
        _refuse_weights(self.class_weights)
        if not 0 <= self.fusion_ratio <= 1:
            raise ValueError(f"fusion_ratio must be from 0 to 1 - got {self.fusion_ratio}")
        if self.fusion_ratio and not self.backgrounds:
            raise ValueError(f"fusion_ratio {self.fusion_ratio} needs backgrounds: datasets of images without persons")
        _refuse_untaught(self)

    @property
    def distillation(self) -> Distillation:
        """Return how a teacher counts, where there is one."""
        return Distillation(
            weight=self.distill,
            temperature=self.distill_temperature,
            boundary=self.distill_boundary,
            confidence=self.distill_confidence,
        )


def _refuse_weights(weights: tuple[float, ...] | None) -> None:
    """Raise ValueError for weights of classes with which no loss can be computed."""
    if weights is not None and not (all(0 <= weight < math.inf for weight in weights) and any(weights)):
        raise ValueError(f"class_weights must be 0 or more, and not all 0 - got {list(weights)}")


def _refuse_untaught(stage: Stage) -> None:
    """Raise ValueError for numbers of a teacher that teach nothing, and for numbers without a teacher."""
    how = stage.distillation
    if stage.teacher is None and how != Distillation():
        raise ValueError("the keys of distill say how a teacher counts - name a teacher, or leave them out")


def _refuse_what_is_of_masks(stage: Stage) -> None:
    """Raise ValueError where a stage of classification asks for what needs masks."""
    usual = Stage()
    for name in OF_MASKS:
        if getattr(stage, name) != getattr(usual, name):
            raise ValueError(f"{name} is not for a stage of kind: classification, which has no masks - leave it out")
    if stage.augmentation == "patch":
        raise ValueError("augmentation: patch is not for a stage of kind: classification - give crop")


class TrainSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole training. The same settings on the same data give the same weights on a CPU.

    `input_size` is (height, width) in pixels. `weights` is None (random), `imagenet`, or a run folder or safetensors
    file to start from. `ema` is the decay of the averaged weights that are judged and published, 0 for none.
    `patience` stops a stage after so many epochs without a better validation mIoU. `keep` says which weights of a stage
    go on: those of its best epoch on the validation data, or of its last, where few images judge. Photographs that
    train, and backgrounds, are taken as `licenses` allows. `auxiliary_weight` is that of heads that only help to train;
    None is 0.4 where a network has such heads itself, and 0, no heads, elsewhere. `output_stride`, `atrous_rates`,
    `dilation` and `prior` are the structure of the network; None is what its name stands for. `trimap_kernel` is the
    side in pixels by which bands of trimaps are widened for 3 classes, `auto` for one that grows with the image, `none`
    for what is stored.
    """

    network: str
    classes: int = 1
    output_stride: Literal[8, 16] | None = None
    atrous_rates: tuple[int, int, int] | None = None
    dilation: Literal["constant", "hybrid"] | None = None
    prior: Literal["frame", "face"] | None = None
    input_size: tuple[int, int] = (224, 224)
    weights: str | None = None
    seed: int = 0
    val: tuple[str, ...] = ()
    stages: tuple[Stage, ...] = (Stage(),)
    auxiliary_weight: float | None = None
    ema: float = 0.99
    patience: int | None = None
    keep: Literal["best", "last"] = "best"
    precision: Precision = "32-true"
    checkpoint_every_steps: int = 200
    limit: int | None = None
    licenses: LicenseRules | None = None
    trimap_kernel: str = "auto"

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        if not self.stages:
            raise ValueError("stages must hold at least one stage")
        names = [stage.name for stage in self.stages]
        if len(set(names)) < len(names):
            raise ValueError(f"stages must have different names - got {', '.join(names)}")
        if min(self.input_size) < MIN_SIDE_PX:
            raise ValueError(f"input_size must be {MIN_SIDE_PX} pixels or more on each side - got {self.input_size}")
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema must be 0 or more, and below 1 - got {self.ema}")
        if self.checkpoint_every_steps < 1:
            raise ValueError(f"checkpoint_every_steps must be 1 or more - got {self.checkpoint_every_steps}")
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"patience must be 1 or more - got {self.patience}")
        if self.patience is not None and self.keep == "last":
            raise ValueError("patience stops where the best epoch is past - leave it out, or keep the best")
        if self.auxiliary_weight is not None and not 0 <= self.auxiliary_weight < math.inf:
            raise ValueError(f"auxiliary_weight must be 0 or more - got {self.auxiliary_weight}")
        if self.stages[-1].kind == "classification":
            raise ValueError("the last stage must be of kind: segmentation, which makes a model of the encoder")
        segmenting = [stage for stage in self.stages if stage.kind == "segmentation"]
        _refuse_wrong_classes(segmenting, classes=self.classes)
        _refuse_other_classes(segmenting, classes=self.classes)
        if self.trimap_kernel not in {"auto", "none"} and not (
            self.trimap_kernel.isdecimal() and 0 < int(self.trimap_kernel) <= MAX_KERNEL_PX
        ):
            raise ValueError(f"trimap_kernel must be auto, none, or 1 to {MAX_KERNEL_PX} - got {self.trimap_kernel}")
        _ = self.structure  # refuses what cannot be built

    @property
    def structure(self) -> Structure:
        """Return how the network is to be built."""
        return Structure(
            output_stride=self.output_stride,
            atrous_rates=self.atrous_rates,
            dilation=self.dilation,
            prior=self.prior,
        )


def _refuse_wrong_classes(stages: Sequence[Stage], *, classes: int) -> None:
    """Raise ValueError for a number of classes that the labels of the stages do not have."""
    labels = {stage.labels for stage in stages}
    if "classes" not in labels:
        if classes not in (1, 3):
            raise ValueError(
                f"classes must be 1 (person, from masks) or 3 (a trimap) - got {classes}; for the {classes} classes of "
                "class maps give labels: classes as well (--labels classes)"
            )
        return
    if len(labels) > 1:
        raise ValueError(f"all stages must have labels: classes, or none - got {', '.join(sorted(labels))}")
    if not 2 <= classes <= MOST_CLASSES:
        raise ValueError(
            f"labels: classes needs as many classes as the class maps have, 2 to {MOST_CLASSES} (19 for CelebAMask-HQ) "
            f"- got {classes}"
        )


def _refuse_other_classes(stages: Sequence[Stage], *, classes: int) -> None:
    """Raise ValueError where a stage asks for what a network of so many classes cannot do."""
    for stage in stages:
        if classes != 1 and stage.teacher is not None:
            raise ValueError(f"a teacher tells person from background, which is for 1 class - got classes {classes}")
        if classes != 1 and stage.fusion_ratio:
            raise ValueError(
                "fusion_ratio is for 1 class: on a new background a trimap cannot be distinguished from a mask"
            )
        if classes != 1 and stage.labels == "alpha":
            raise ValueError(f"labels: alpha is for 1 class - got classes {classes}, which learns from trimaps")
        wanted = max(2, classes)
        if stage.class_weights is not None and len(stage.class_weights) != wanted:
            names = "background and person" if classes == 1 else "background, unknown and foreground"
            of_what = "one for each class" if stage.labels == "classes" else f"of {names}"
            raise ValueError(f"class_weights must be {wanted} numbers, {of_what} - got {len(stage.class_weights)}")


def read_settings(path: Path) -> TrainSettings:
    """Return the settings in a YAML file.

    Raises ConfigurationProblem naming file, line and key: unknown keys, wrong types, and numbers that cannot train.
    """
    return settings_from(read_config_text(path).text, where=path)


def settings_from(text: bytes, *, where: Path) -> TrainSettings:
    """Return the settings that YAML text holds; raises ConfigurationProblem."""
    source = ConfigText(text=text, where=where)
    return converted(loaded(source, has_aliases=True), TrainSettings, source=source)
