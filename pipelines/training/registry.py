"""`curate registry`: the versions of a model, put there one by one, and which of them is the champion."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.command_line.options import Result, RunOptions, setting

if TYPE_CHECKING:
    from models.registry.mlflow_door import Tracker
    from models.registry.registry import Registered


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryFlags:
    """Which model, and what to do with it."""

    name: str = setting("The name of the model, such as portrait.", positional=True, metavar="NAME")
    add: Path | None = setting(
        "Put this model there: a run folder, or the file of another tool's model.", default=None, metavar="M"
    )
    evaluation: Path | None = setting(
        "With --add: a folder of `curate evaluate`, whose numbers and pictures are kept with the model.",
        default=None,
        metavar="DIR",
    )
    alias: str | None = setting(
        "Set this alias, such as champion, to the model that is added, or to --version.", default=None
    )
    version: int | None = setting("The version that --alias is set to.", default=None, metavar="N")
    workspace: Path | None = setting(
        "The workspace that holds the registry.  [default: CURATE_WORKSPACE, else loop]", default=None, metavar="DIR"
    )

    def __post_init__(self) -> None:
        """Refuse flags that do nothing alone."""
        if self.alias is not None and (self.add is None) == (self.version is None):
            raise click.UsageError("--alias names one version: give --add MODEL, or --version N")
        if self.alias is None and self.version is not None:
            raise click.UsageError("--version goes with --alias")
        if self.evaluation is not None and self.add is None:
            raise click.UsageError("--evaluation goes with --add")


def registry(settings: RegistryFlags, *, run: RunOptions) -> Result:
    """List the versions of a model, add a version, or set an alias.

    A model in the registry can be given wherever --model takes a path: models:/NAME@champion, or models:/NAME/3. It is
    kept with MLflow: in a workspace, or on the server that MLFLOW_TRACKING_URI names. Equal files are one version.

    \b
    Examples:
      curate registry portrait --add runs/unet --evaluation results --alias champion
      curate evaluate --model models:/portrait@champion --data data/test --out results
    """
    from models.registry.registry import place_of, refuse_name, tracker_of

    refuse_name(settings.name)
    if settings.alias is not None:
        refuse_name(settings.alias)
    tracker = tracker_of(place_of(settings.workspace))
    added = None if settings.add is None else _added(tracker, settings=settings)
    if settings.alias is not None:
        _give_alias(tracker, settings=settings, number=settings.version if added is None else added.number)
    return _listed(tracker, name=settings.name, added=added)


def _added(tracker: Tracker, *, settings: RegistryFlags) -> Registered:
    from models.prediction.find_model import find_model
    from models.registry.record import record_of
    from models.registry.registry import register

    assert settings.add is not None
    source = shlex.join(["curate", "registry", settings.name, "--add", str(settings.add)])
    model = find_model(settings.add).path  # of another name of a registry too
    record = replace(record_of(model, evaluation=settings.evaluation), source=source)
    return register(tracker, name=settings.name, model=model, record=record)


def _give_alias(tracker: Tracker, *, settings: RegistryFlags, number: int | None) -> None:
    from curation.errors import InputRefused

    version = tracker.version(settings.name, number=number)
    if version is None:
        raise InputRefused(
            f"there is no version {number}",
            where=f"models:/{settings.name}",
            remedy=f"`curate registry {settings.name}` lists them",
        )
    tracker.give_alias(version, alias=settings.alias or "")


def _listed(tracker: Tracker, *, name: str, added: Registered | None) -> Result:
    versions = tracker.versions(name)
    lines = [f"models:/{name}: {len(versions)} versions"]
    told: list[dict[str, Any]] = []
    for version in versions:
        metrics = tracker.metrics(version.run)
        aliases = "".join(f" @{alias}" for alias in version.aliases)
        miou = f"  mIoU {metrics['miou_image']:.4f}" if "miou_image" in metrics else ""
        lines.append(f"  {version.number}{aliases}{miou}  run {version.run}")
        told.append({"version": version.number, "aliases": version.aliases, "run": version.run, "metrics": metrics})
    if added is not None:
        was = "added" if added.is_new else "there already, with equal files"
        lines.insert(1, f"  {added.pinned}: {was}")
    data: dict[str, Any] = {"command": "registry", "name": name, "versions": told}
    if added is not None:
        data |= {"added": added.pinned, "is_new": added.is_new}
    return Result.of(lines, data)
