"""What the registry keeps of a model beside its files: how it was trained and on what, how good it is, pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from curation.errors import InputRefused
from models.model_files import FoundModel, fingerprint_of, model_on_disk
from models.registry.registry import ModelRecord

PICTURES: Final = ("curves.svg", "samples.png", "history.csv")
BADCASES: Final = "badcases"
SHOWN: Final = 10
"""So many of the worst samples are kept as pictures."""
NUMBERS: Final = ("miou_image", "miou_dataset", "std", "share_under", "boundary_iou", "hole_recall", "iou_person")


def record_of(model: Path, *, evaluation: Path | None = None) -> ModelRecord:
    """Return the numbers of the training in a run folder, and of an evaluation of the model.

    Raises InputRefused when a file of one of them is damaged, or the evaluation is of another model.
    """
    found = model_on_disk(model)
    run = found.weights.parent
    config = _read(run / "config.yaml") if found.is_run and (run / "config.yaml").exists() else {}
    metrics = _read(run / "metrics.json") if config and (run / "metrics.json").exists() else {}
    told = {f"val {name}": metrics[name] for name in NUMBERS if _is_number(metrics.get(name))}
    files: dict[str, Sequence[Path]] = {}
    if config:
        files["training"] = [run / name for name in PICTURES if (run / name).exists()]
    data = {str(name): str(digest) for name, digest in config.get("data", {}).items()}
    if evaluation is not None:
        measured = _measured(evaluation, model=found)
        told |= {name: value for name, value in measured["all"]["summary"].items() if _is_number(value)}
        data |= {f"test {name}": str(entry["manifest_sha256"]) for name, entry in measured["sets"].items()}
        files["evaluation"] = [evaluation / "metrics.json"]
        files["evaluation/badcases"] = sorted((evaluation / BADCASES).glob("*.png"))[:SHOWN]
    return ModelRecord(
        parameters=dict(_flat(config.get("settings", {}))),
        metrics={name: float(value) for name, value in told.items()},
        data=data,
        files=files,
    )


def _measured(evaluation: Path, *, model: FoundModel) -> Mapping[str, Any]:
    metrics = _read(evaluation / "metrics.json")
    try:
        found, _ = metrics["model"]["sha256"], (metrics["all"]["summary"], metrics["sets"])
    except (KeyError, TypeError) as error:
        raise InputRefused(
            f"not the metrics of an evaluation: {error} is missing",
            where=evaluation / "metrics.json",
            remedy="name a folder that `curate evaluate` made",
        ) from error
    if found != fingerprint_of(model):
        raise InputRefused(
            f"this is the evaluation of another model, {metrics['model']['name']}",
            where=evaluation,
            remedy="evaluate the model that is added with `curate evaluate`",
        )
    return metrics


def _read(file: Path) -> dict[str, Any]:
    try:
        read: Any = json.loads(file.read_bytes()) if file.suffix == ".json" else yaml.safe_load(file.read_bytes())
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputRefused(f"cannot be read: {error}", where=file, remedy="restore it, or make it again") from error
    if not isinstance(read, dict):
        raise InputRefused("not a mapping", where=file, remedy="restore it, or make it again")
    return read


def _flat(settings: Any, *, before: str = "") -> Iterator[tuple[str, str]]:
    """Yield nested settings as names and texts.

    >>> dict(_flat({"stages": [{"epochs": 2}], "seed": 0}))
    {'stages.0.epochs': '2', 'seed': '0'}
    """
    inner = settings.items() if isinstance(settings, dict) else enumerate(settings)
    for name, value in inner:
        if isinstance(value, dict | list) and value:
            yield from _flat(value, before=f"{before}{name}.")
        else:
            yield f"{before}{name}", str(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
