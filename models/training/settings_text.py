"""Settings of a training as text, as lists of values, and as an id."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import yaml

from curation.remote.places import all_told
from models.training.settings import Stage, TrainSettings

ADDED_SETTINGS: Final = ("auxiliary_weight", "output_stride", "atrous_rates", "dilation", "prior")
ADDED_KEYS: Final = (
    *("kind", "nesterov", "labels", "class_weights", "patch_px", "vertical_flip"),
    *("batch_norm", "batch_norm_parts", "true_trimap"),
    *("teacher", "distill", "distill_temperature", "distill_boundary", "distill_confidence"),
)
"""Of a whole training and of a stage: where they hold their default, a training is told as before they were there."""


def settings_text(settings: TrainSettings) -> bytes:
    """Return settings as YAML, each key in its place; `settings_from` reads them back."""
    text: str = yaml.safe_dump(told_settings(settings), sort_keys=False, allow_unicode=True)
    return text.encode()


def flat_settings(settings: TrainSettings) -> dict[str, str]:
    """Return settings as text by dotted name, `stages.0.epochs` for one, as tools that compare trainings list them."""
    found: dict[str, str] = {}

    def tell(name: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                tell(f"{name}.{key}" if name else key, inner)
        elif isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
            tell(name, {str(number): one for number, one in enumerate(value)})
        else:
            found[name] = str(value)

    tell("", told_settings(settings))
    return found


def training_id(settings: TrainSettings, *, data: dict[str, str]) -> str:
    """Return 16 hexadecimal digits that change with the settings and with the data (path to hash), and nothing else."""
    own = told_settings(settings)
    # the default used to be a number, and an id is to stay; where one is given, the network has other heads than then
    heads = {"auxiliary_weight": 0.4} if settings.auxiliary_weight is None else {"auxiliary_heads": True}
    told = msgspec.json.encode([own | heads, data], order="deterministic")
    return hashlib.sha256(told).hexdigest()[:16]


def told_settings(settings: TrainSettings) -> dict[str, Any]:
    """Return settings as plain values, without what changes nothing, so that trainings from before it was there go
    on.
    """
    told: dict[str, Any] = all_told(msgspec.to_builtins(settings))
    if settings.keep == "best":
        del told["keep"]
    if settings.licenses is None:
        del told["licenses"]
    if settings.classes == 1:
        del told["trimap_kernel"]
    for stage in told["stages"]:
        if not stage["fusion_ratio"]:
            del stage["fusion_ratio"], stage["backgrounds"]
    leave_out_defaults(told)
    return told


def leave_out_defaults(told: dict[str, Any]) -> None:
    """Take keys that came later and hold their default out of a training as plain values, which has `stages`."""
    for name in ADDED_SETTINGS:
        if told[name] is None:
            del told[name]
    usual = msgspec.to_builtins(Stage())
    for stage in told["stages"]:
        for name in ADDED_KEYS:
            if stage[name] == usual[name]:
                del stage[name]
