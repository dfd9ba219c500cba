"""What a training is told: a network, and stages that follow one another, each with its data and its way to learn."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import yaml

from curation.licenses import LicenseRules
from models.yaml_config import ConfigText, converted, loaded, read_config_text

MIN_SIDE_PX: Final = 32
DEFAULT_LOSSES: Final = (("cross_entropy", 1.0), ("dice", 1.0))

Precision = Literal["32-true", "bf16-mixed", "16-mixed"]


class Stage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One stage: what it learns from and how.

    `frozen` names parts of the network by the start of their parameters' names, e.g. `encoder`; these do not learn.
    `learning_rate` is the highest; it rises over `warmup` (a share of the stage's steps) and falls by `schedule`.
    `where` is a pandas query on the rows that train. `accumulate` batches make one step. A share `fusion_ratio` of the
    samples is laid on images of the datasets `backgrounds`, 0 for none.
    """

    name: str = "main"
    data: tuple[str, ...] = ()
    where: str | None = None
    epochs: int = 60
    batch_size: int = 16
    accumulate: int = 1
    learning_rate: float = 5e-3
    optimizer: Literal["adamw", "sgd"] = "adamw"
    momentum: float = 0.99
    weight_decay: float = 0.01
    schedule: Literal["cosine", "poly", "constant"] = "cosine"
    warmup: float = 0.05
    losses: dict[str, float] = msgspec.field(default_factory=lambda: dict(DEFAULT_LOSSES))
    augmentation: str = "modern"
    frozen: tuple[str, ...] = ()
    fusion_ratio: float = 0.0
    backgrounds: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse numbers that cannot train."""
        least = {"epochs": self.epochs, "batch_size": self.batch_size, "accumulate": self.accumulate}
        for name, value in least.items():
            if value < 1:
                raise ValueError(f"{name} must be 1 or more - got {value}")
        if not 0 < self.learning_rate < float("inf"):
            raise ValueError(f"learning_rate must be above 0 - got {self.learning_rate}")
        for name, share in (("warmup", self.warmup), ("momentum", self.momentum)):
            if not 0 <= share < 1:
                raise ValueError(f"{name} must be 0 or more, and below 1 - got {share}")
        if self.weight_decay < 0:
            raise ValueError(f"weight_decay must be 0 or more - got {self.weight_decay}")
        if not 0 <= self.fusion_ratio <= 1:
            raise ValueError(f"fusion_ratio must be from 0 to 1 - got {self.fusion_ratio}")
        if self.fusion_ratio and not self.backgrounds:
            raise ValueError(f"fusion_ratio {self.fusion_ratio} needs backgrounds: datasets of images without persons")


class TrainSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole training. The same settings on the same data give the same weights on a CPU.

    `input_size` is (height, width) in pixels. `weights` is None (random), `imagenet`, or a run folder or safetensors
    file to start from. `ema` is the decay of the averaged weights that are judged and published, 0 for none.
    `patience` stops a stage after so many epochs without a better validation mIoU. `keep` says which weights of a stage
    go on: those of its best epoch on the validation data, or of its last, where few images judge. Photographs that
    train, and backgrounds, are taken as `licenses` allows.
    """

    network: str
    classes: Literal[1, 3] = 1
    input_size: tuple[int, int] = (224, 224)
    weights: str | None = None
    seed: int = 0
    val: tuple[str, ...] = ()
    stages: tuple[Stage, ...] = (Stage(),)
    auxiliary_weight: float = 0.4
    ema: float = 0.99
    patience: int | None = None
    keep: Literal["best", "last"] = "best"
    precision: Precision = "32-true"
    checkpoint_every_steps: int = 200
    limit: int | None = None
    licenses: LicenseRules | None = None

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
        if self.classes != 1 and any(stage.fusion_ratio for stage in self.stages):
            raise ValueError("fusion_ratio is for 1 class: on a new background a trimap cannot be told from a mask")


def read_settings(path: Path) -> TrainSettings:
    """Give the settings in a YAML file.

    Raises ConfigurationProblem naming file, line and key: unknown keys, wrong types, and numbers that cannot train.
    """
    return settings_from(read_config_text(path).text, where=path)


def settings_from(text: bytes, *, where: Path) -> TrainSettings:
    """Give the settings that YAML text holds; raises ConfigurationProblem."""
    source = ConfigText(text=text, where=where)
    return converted(loaded(source, has_aliases=True), TrainSettings, source=source)


def settings_text(settings: TrainSettings) -> bytes:
    """Give settings as YAML, each key in its place; `settings_from` reads them back."""
    text: str = yaml.safe_dump(_told(settings), sort_keys=False, allow_unicode=True)
    return text.encode()


def flat_settings(settings: TrainSettings) -> dict[str, str]:
    """Give settings as text by dotted name, `stages.0.epochs` for one, as tools that compare trainings list them."""
    found: dict[str, str] = {}

    def tell(name: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                tell(f"{name}.{key}" if name else key, inner)
        elif isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
            tell(name, {str(number): one for number, one in enumerate(value)})
        else:
            found[name] = str(value)

    tell("", _told(settings))
    return found


def training_id(settings: TrainSettings, *, data: dict[str, str]) -> str:
    """Give 16 hexadecimal digits that change with the settings and with the data (path to hash), and nothing else."""
    told = msgspec.json.encode([_told(settings), data], order="deterministic")
    return hashlib.sha256(told).hexdigest()[:16]


def _told(settings: TrainSettings) -> dict[str, Any]:
    """Give settings as plain values, without what changes nothing, so that trainings from before it was there go on."""
    told: dict[str, Any] = msgspec.to_builtins(settings)
    if settings.keep == "best":
        del told["keep"]
    if settings.licenses is None:
        del told["licenses"]
    for stage in told["stages"]:
        if not stage["fusion_ratio"]:
            del stage["fusion_ratio"], stage["backgrounds"]
    return told
