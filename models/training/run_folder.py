"""The record of a run folder: its settings, its data, and whether the training is over."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from curation.errors import CurateError, InputRefused
from curation.quarantine import BadRecord
from curation.storage.files import make_folder, read_file, telling_where
from models.card import read_card
from models.model_files import CARD, WEIGHTS, read_model_file, refuse_other_hash
from models.networks.auxiliary import OWN_WEIGHT
from models.networks.catalogue import network_named, structure_before
from models.structure import Structure
from models.training.settings import TrainSettings
from models.training.settings_text import settings_text
from models.yaml_files.config import MAX_CONFIG_BYTES

CHECKPOINTS: Final = "checkpoints"
CONFIG: Final = "config.yaml"
METRICS: Final = "metrics.json"
CONFUSION: Final = "confusion.svg"
"""Of a training on class maps: which class was taken for which."""
FORMAT: Final = 2
"""Of the config. In 1, which does not tell of its format, a weight of auxiliary heads always stood, also where a
network has none, and DeepLabV3+ was built with other rates than now."""
PREVIOUS: Final = "previous"
"""Where the model of an earlier training waits until the one that replaces it is whole."""


def finished_metrics(
    out: Path, *, settings: TrainSettings, data: dict[str, str], allow_changed_data: bool
) -> dict[str, Any] | None:
    """Return the metrics of a training that is over, None for one that is still to be done, or whose model is damaged.

    `data` maps each dataset to the hash of its manifest. Raises InputRefused when the folder holds another training.
    """
    if not (out / CONFIG).exists():
        return None
    old, new = _read_config(out / CONFIG), yaml.safe_load(settings_text(settings))
    if changed := [name for name in old["settings"] | new if old["settings"].get(name) != new.get(name)]:
        raise InputRefused(
            f"the folder holds a training with other settings: {', '.join(changed)}",
            where=out,
            remedy="choose another --out, or give --overwrite to train again",
        )
    if old["data"] != data and not allow_changed_data:
        changed = sorted(name for name in data if old["data"].get(name) != data[name])
        raise InputRefused(
            f"the data changed since this training began: {', '.join(changed)}",
            where=out,
            remedy="give --overwrite to train again, or --allow-changed-data to continue with the data as it is now",
        )
    try:
        metrics: dict[str, Any] = msgspec.json.decode((out / METRICS).read_bytes())
        refuse_other_hash(read_model_file(out / WEIGHTS), card=read_card(out / CARD), file=out / WEIGHTS)
    except (OSError, msgspec.DecodeError, CurateError):  # damaged: the checkpoints hold it still
        return None
    return metrics


def make_way(out: Path) -> None:
    """Put the model of an earlier training aside, and drop its checkpoints."""
    _drop(out / CHECKPOINTS)
    if not (out / WEIGHTS).exists():
        with suppress(FileNotFoundError):
            (out / CONFIG).unlink()
        return
    make_folder(out / PREVIOUS, below=out)
    for name in (METRICS, CARD, WEIGHTS, CONFIG):  # the config last: by it the folder is known for a run
        with suppress(FileNotFoundError):
            (out / name).replace(out / PREVIOUS / name)


def drop_previous(out: Path) -> None:
    """Drop what `make_way` put aside."""
    _drop(out / PREVIOUS)


def _drop(folder: Path) -> None:
    if folder.exists():
        with telling_where(folder):
            shutil.rmtree(folder)


def config_text(settings: TrainSettings, *, data: dict[str, str]) -> bytes:
    """Return the content of `config.yaml`."""
    told = {
        "format": FORMAT,
        "settings": yaml.safe_load(settings_text(settings)),
        "data": dict(sorted(data.items())),
    }
    text: str = yaml.safe_dump(told, sort_keys=False, allow_unicode=True)
    return text.encode()


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = yaml.safe_load(read_file(path, max_bytes=MAX_CONFIG_BYTES))
        settings = config["settings"] if config.get("format", 1) == FORMAT else _as_now(config["settings"])
        return {"settings": settings, "data": config["data"]}
    except (BadRecord, yaml.YAMLError, KeyError, TypeError, AttributeError, CurateError) as error:
        raise InputRefused(
            f"the config of the training that is here cannot be read: {error}",
            where=path,
            remedy="give --overwrite to train again, or choose another --out",
        ) from error


def _as_now(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings of format 1 as the same training is told of now."""
    own = {name: value for name, value in settings.items() if name != "auxiliary_weight"}
    if network_named(own["network"]).has_heads and settings["auxiliary_weight"] != OWN_WEIGHT:
        own["auxiliary_weight"] = settings["auxiliary_weight"]
    structure: dict[str, Any] = msgspec.to_builtins(structure_before(own["network"], told=Structure()))
    return own | structure
