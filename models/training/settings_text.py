"""Settings of a training as text, as lists of values, and as an id."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
import yaml

from models.training.settings import TrainSettings, told_settings


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
