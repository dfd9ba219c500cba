"""The settings of an ablation: one training, and what each arm changes of it. Folders are relative to the file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Final

import msgspec

from models.model_files import REGISTERED
from models.training.settings import Stage, TrainSettings
from models.yaml_files.config import ConfigText, converted, loaded, read_config_text
from pipelines.loop.config import Part, TestSet

EXAMPLE: Final = Path(__file__).with_name("ablation_example.yaml")
HINT: Final = "`curate ablate --config FILE --example` writes one that explains each"
OF_STAGES: Final = tuple(name for name in Stage.__struct_fields__ if name != "name")
OF_TRAINING: Final = tuple(name for name in TrainSettings.__struct_fields__ if name != "seed")
MAX_ARMS: Final = 200
MAX_NAME: Final = 100

Change = dict[str, Any]
"""New values of settings: those of a stage reach into every stage, `stages` replaces them all."""


class Arm(Part, frozen=True, kw_only=True):
    """One way to train: what it changes of the training, or of the arm that it builds `on`."""

    name: str
    on: str | None = None
    change: Change = msgspec.field(default_factory=dict)


class AblationConfig(Part, frozen=True, kw_only=True):
    """One training, data sets to measure on, seeds, and either a grid (axis, level, change) or a list of arms."""

    train: dict[str, Any]
    test: tuple[TestSet, ...]
    seeds: tuple[int, ...] = (0, 1, 2)
    grid: dict[str, dict[str, Change | None]] = msgspec.field(default_factory=dict)
    arms: tuple[Arm, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what compares nothing."""
        if not self.test:
            raise ValueError("test must name at least one data set")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds must be different numbers, one at least - got {list(self.seeds)}")
        if bool(self.grid) == bool(self.arms):
            raise ValueError("arms must be there, or a grid, and not both")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """An arm that can be trained: its name, its folder's name, what it changes of the training, and its settings."""

    name: str
    folder: str
    change: Mapping[str, Any]
    settings: TrainSettings

    def with_seed(self, seed: int) -> TrainSettings:
        """Return the settings of one training."""
        return msgspec.structs.replace(self.settings, seed=seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ablation:
    """What is to be compared with what, on what."""

    recipes: Sequence[Recipe]
    test: Sequence[TestSet]
    seeds: Sequence[int]
    source: ConfigText


def read_ablation(path: Path) -> Ablation:
    """Return the ablation that a YAML file describes; raises ConfigurationProblem naming file, line and key."""
    return ablation_from(read_config_text(path, hint=HINT))


def ablation_from(source: ConfigText) -> Ablation:
    """Return the ablation that YAML text describes; raises ConfigurationProblem."""
    config = converted(loaded(source, has_words=True), AblationConfig, source=source)
    base = _settings(config.train, source=source, below=["train"])
    changes = _grid_changes(config.grid, source=source) if config.grid else _arm_changes(config.arms, source=source)
    recipes: list[Recipe] = []
    for (name, steps), below in changes:
        told = msgspec.to_builtins(base)
        for change in steps:
            told = _changed(told, change=change)
        settings = _settings(told, source=source, below=below)
        whole = {key: value for change in steps for key, value in change.items()}
        folder = _folder(name, taken=recipes, source=source, below=below)
        recipes.append(
            Recipe(name=name, folder=folder, change=whole, settings=_placed(settings, parent=source.where.parent))
        )
    if len(recipes) > MAX_ARMS:
        raise source.problem(
            f"{len(recipes)} arms are more than {MAX_ARMS}", keys=["grid", "arms"], remedy="compare fewer at a time"
        )
    test = [msgspec.structs.replace(one, data=str(source.where.parent / one.data)) for one in config.test]
    _refuse_twice(test, source=source)
    return Ablation(recipes=recipes, test=test, seeds=config.seeds, source=source)


Steps = tuple[str, list[Change]]
Keys = list[str | int]


def _arm_changes(arms: Sequence[Arm], *, source: ConfigText) -> list[tuple[Steps, Keys]]:
    """Return the name of each arm and the changes that lead to it, and where it stands in the file."""
    known: dict[str, list[Change]] = {}
    found: list[tuple[Steps, Keys]] = []
    for number, arm in enumerate(arms):
        below: Keys = ["arms", number]
        if arm.on is not None and arm.on not in known:
            above = ", ".join(known) or "none, it is the first"
            raise source.problem(
                f"arm {arm.name!r} builds on {arm.on!r}, which is not above it",
                keys=[*below, "on"],
                remedy=f"name one of those above: {above}",
            )
        _check_change(arm.change, source=source, below=[*below, "change"])
        known[arm.name] = [*known.get(arm.on or "", []), arm.change]
        found.append(((arm.name, known[arm.name]), below))
    return found


def _grid_changes(grid: Mapping[str, Mapping[str, Change | None]], *, source: ConfigText) -> list[tuple[Steps, Keys]]:
    """Return every way to take one level of each axis; the first levels of all are the first arm."""
    set_by: dict[str, str] = {}
    for axis, levels in grid.items():
        if not levels:
            raise source.problem(f"the axis {axis!r} has no levels", keys=["grid", axis], remedy="give it two or more")
        for level, change in levels.items():
            _check_change(change or {}, source=source, below=["grid", axis, level])
        for key in sorted({key for change in levels.values() for key in change or {}}):
            if key in set_by:
                raise source.problem(
                    f"the axes {set_by[key]!r} and {axis!r} both change {key}",
                    keys=["grid", axis],
                    remedy="change each setting on one axis, or list `arms` instead",
                )
            set_by[key] = axis
    found: list[tuple[Steps, Keys]] = []
    for picked in product(*(levels.items() for levels in grid.values())):
        name = ", ".join(f"{axis} {level}" for axis, (level, _) in zip(grid, picked, strict=True))
        whole = {key: value for _, change in picked for key, value in (change or {}).items()}
        found.append(((name, [whole]), ["grid"]))
    return found


def _check_change(change: Change, *, source: ConfigText, below: Keys) -> None:
    known = {*OF_STAGES, *OF_TRAINING}
    if wrong := next((key for key in change if key not in known), None):
        reason = "is given by `seeds`" if wrong == "seed" else "is no setting of a training"
        raise source.problem(
            f"{wrong!r} {reason}", keys=[*below, wrong], remedy=f"there are: {', '.join(sorted(known))}"
        )


def _changed(told: Mapping[str, Any], *, change: Change) -> dict[str, Any]:
    """Return settings with a change in them; new stages come first, so that other changes reach into these."""
    top = {key: value for key, value in change.items() if key in OF_TRAINING}
    inner = {key: value for key, value in change.items() if key in OF_STAGES}
    found = {**told, **top}
    if inner and isinstance(found["stages"], list | tuple):
        found["stages"] = [{**one, **inner} if isinstance(one, dict) else one for one in found["stages"]]
    return found


def _settings(told: Any, *, source: ConfigText, below: Keys) -> TrainSettings:
    return converted(told, TrainSettings, source=source, below=below)


def _placed(settings: TrainSettings, *, parent: Path) -> TrainSettings:
    """Return settings whose folders are those seen from the file."""

    def place(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(parent / name) for name in names)

    stages = tuple(
        msgspec.structs.replace(stage, data=place(stage.data), backgrounds=place(stage.backgrounds))
        for stage in settings.stages
    )
    weights = settings.weights
    is_file = weights not in (None, "imagenet") and not str(weights).startswith(REGISTERED)
    return msgspec.structs.replace(
        settings, stages=stages, val=place(settings.val), weights=str(parent / str(weights)) if is_file else weights
    )


def _folder(name: str, *, taken: Sequence[Recipe], source: ConfigText, below: Keys) -> str:
    """Return what the folders of an arm are called: its name, with `-` for what is no letter or digit."""
    folder = re.sub(r"[^\w.+=]+", "-", name).strip("-.")
    if not re.search(r"\w", folder) or len(name) > MAX_NAME:
        raise source.problem(
            f"{name[:MAX_NAME]!r} is no name for an arm",
            keys=below,
            remedy=f"give letters or digits, {MAX_NAME} at most",
        )
    same = next((one.name for one in taken if one.folder.casefold() == folder.casefold()), None)
    if same is not None:
        raise source.problem(
            f"the arms {same!r} and {name!r} would share the folder {folder}", keys=below, remedy="name one otherwise"
        )
    return folder


def _refuse_twice(test: Sequence[TestSet], *, source: ConfigText) -> None:
    names = [Path(one.data).resolve().name for one in test]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise source.problem(
            f"two test sets are called {twice!r}", keys=["test"], remedy="rename a folder, or join them: curate merge"
        )
