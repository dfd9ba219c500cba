"""The rounds of a workspace: the finished ones, the one to continue, the inputs of the next, and whether it is needed.

A round is a folder `rounds/<number>`. It begins with `plan.json` and is over when its `round.json` says on what it
stands; until then the next start continues it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from curation.dataset.dataset import read_dataset
from curation.dataset.label_sources import is_by_model
from curation.dataset.manifest_files import manifest_fingerprint
from curation.errors import InputRefused
from curation.quarantine import BadRecord
from curation.storage.files import make_folder, read_file, sha256_of, write_durable
from labeling.answers import LABELLED, STATUS
from models.data.choose_samples import of_split
from models.model_files import REGISTERED
from models.training.settings_text import leave_out_defaults
from pipelines.command_line.license_rules import read_license_rules
from pipelines.loop.config import LoopConfig, TeachSection, TestSet
from pipelines.loop.frozen_sets import TestRows
from reports.rounds.round_record import ROUND, Round, Untaken, read_round

ROUNDS: Final = "rounds"
PLAN: Final = "plan.json"
CHAMPION_INPUT: Final = "champion"
DECISIVE: Final = ("model", "seed", "data", "label", "train", "gate", "mine")
"""The parts of the configuration that change what a round does; those on pages, messages and the calendar do not."""
OF_CONFIGURATION: Final = " in the configuration"


class RoundPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a round began with: hashes by name, and the champion, such as models:/portrait/3, or "" for none.

    `control` is the round whose training set holds the labels as they were before, 0 where no control is trained.
    `untaken` is what its pull left.
    """

    number: int
    started: str
    inputs: dict[str, str]
    champion: str
    control: int = 0
    untaken: Untaken = Untaken()


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """A configuration with the places in it: folders are taken as seen from its file."""

    config: LoopConfig
    file: Path

    @property
    def workspace(self) -> Path:
        """The folder of rounds, models and what is frozen."""
        return self.place(self.config.workspace)

    @property
    def rounds(self) -> Path:
        """The folder of rounds."""
        return self.workspace / ROUNDS

    def place(self, name: str) -> Path:
        """Return a folder that the configuration names."""
        return self.file.parent / name

    def model(self, name: str) -> Path:
        """Return a model that the configuration names: one in the registry, or a path."""
        return Path(name) if name.startswith(REGISTERED) else self.place(name)

    def places(self, names: Sequence[str]) -> list[Path]:
        """Return folders that the configuration names, each once."""
        return [self.place(name) for name in dict.fromkeys(names)]

    @property
    def datasets(self) -> list[str]:
        """All datasets, as the configuration names them, each once."""
        data = self.config.data
        backgrounds = [name for stage in self.config.train.stages for name in stage.backgrounds]
        tests = [one.data for one in data.test]
        return list(dict.fromkeys([*data.train, *data.pool, *data.val, *backgrounds, *tests]))

    @property
    def train(self) -> list[Path]:
        """The datasets that train."""
        return self.places(self.config.data.train)

    @property
    def licenses(self) -> Path | None:
        """The file of licences that may train."""
        name = self.config.data.licenses
        return None if name is None else self.place(name)

    @property
    def pool(self) -> list[Path]:
        """The datasets from which samples are labelled, without those that train anyway."""
        known = {folder.resolve() for folder in self.train}
        return [folder for folder in self.places(self.config.data.pool) if folder.resolve() not in known]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a loop stands: the last round that is over, and one that is not."""

    last: Round | None
    unfinished: RoundPlan | None
    next_number: int


def standing(loop: Loop) -> Standing:
    """Read where a loop stands. Raises InputRefused for a round that is damaged."""
    numbers = sorted(int(path.parent.name) for path in loop.rounds.glob(f"*/{PLAN}") if path.parent.name.isdigit())
    last, unfinished = None, None
    for number in numbers:
        folder = folder_of(loop, number=number)
        told = read_round(folder) if (folder / ROUND).exists() else None
        if told is not None and told.inputs:
            last = told
        else:
            unfinished = _read_plan(folder)
    return Standing(last=last, unfinished=unfinished, next_number=numbers[-1] + 1 if numbers else 1)


def folder_of(loop: Loop, *, number: int) -> Path:
    """Return the folder of a round."""
    return loop.rounds / f"{number:04}"


def champion_of(loop: Loop) -> str:
    """Return the very version that is the champion, "" where there is none yet; a registry is not made by looking."""
    from models.registry.registry import CHAMPION, DATABASE, FOLDER, SERVER, place_of, tracker_of

    if not os.environ.get(SERVER) and not (loop.workspace / FOLDER / DATABASE).exists():
        return ""
    name = loop.config.model
    version = tracker_of(place_of(loop.workspace)).version(name, alias=CHAMPION)
    return "" if version is None else f"{REGISTERED}{name}/{version.number}"


def inputs_of(loop: Loop, *, champion: str) -> dict[str, str]:
    """Return the hashes of everything that a round begins with. Raises InputRefused when a dataset is not there."""
    found = configuration_of(loop)
    for name in loop.datasets:
        folder = loop.place(name)
        try:
            found[name] = manifest_fingerprint(folder)
        except BadRecord as problem:
            remedy = f"make it, or name another in {loop.file}"
            raise InputRefused(f"not a dataset: {problem.reason}", where=folder, remedy=remedy) from problem
    if loop.licenses is not None:
        found[str(loop.config.data.licenses)] = _digest(msgspec.to_builtins(read_license_rules(loop.licenses)))
    return {**found, CHAMPION_INPUT: champion}


def test_sets_of(loop: Loop) -> dict[str, TestRows]:
    """Return what is measured on, by the name of the data set and the split."""
    return {f"{one.data} {one.split}": _test_rows(loop, test=one) for one in loop.config.data.test}


def _test_rows(loop: Loop, *, test: TestSet) -> TestRows:
    dataset = read_dataset(loop.place(test.data))
    table = dataset.table if test.split == "all" else of_split(dataset.table, test.split)
    by_models = [row["id"] for row in table.to_pylist() if is_by_model(row) and row.get(STATUS) not in LABELLED]
    if by_models:
        raise InputRefused(
            f"{len(by_models)} labels of this test set were made by models, e.g. of {by_models[0]}: the gate would "
            "measure how alike two models are",
            where=dataset.folder,
            remedy="have people look at them (`curate label push`, then `curate label pull`), or name another test set",
        )
    manifest = dataset.card.manifest_sha256
    return TestRows(name=test.data, folder=dataset.folder, manifest=manifest, table=table)


def configuration_of(loop: Loop) -> dict[str, str]:
    """Return the hash of each part of the configuration that changes what a round does."""
    told: dict[str, Any] = msgspec.to_builtins(loop.config)
    if loop.config.data.licenses is None:
        del told["data"]["licenses"]  # a loop from before this key existed continues
    if not loop.config.mine.teachers:
        del told["mine"]["teachers"]  # as above
    leave_out_defaults(told["train"])
    decisive = [*DECISIVE, *(["control"] if loop.config.control else [])]  # as above
    decisive += ["teach"] if loop.config.teach != TeachSection() else []
    return {f"{name}{OF_CONFIGURATION}": _digest(told[name]) for name in decisive}


def is_outdated(plan: RoundPlan, *, loop: Loop) -> bool:
    """Tell whether the configuration changed since a round began: then that round is not what is wanted any more.

    Data may change: a round keeps to the training set that it made.
    """
    before = {name: digest for name, digest in plan.inputs.items() if name.endswith(OF_CONFIGURATION)}
    return before != configuration_of(loop)


def changes(before: dict[str, str], *, now: dict[str, str]) -> list[str]:
    """Name what is another now, in the words of a reason.

    >>> changes({"data/a": "1", "data/b": "2"}, now={"data/a": "1", "data/b": "3", "data/c": "4"})
    ['data/b changed', 'data/c is new']
    """
    told = [f"{name} {'is new' if name not in before else 'changed'}" for name in now if before.get(name) != now[name]]
    return [*told, *(f"{name} is gone" for name in before if name not in now)]


def begin(loop: Loop, *, plan: RoundPlan) -> Path:
    """Begin a round with an empty folder, and give that."""
    folder = folder_of(loop, number=plan.number)
    if folder.exists():
        shutil.rmtree(folder)
    make_folder(folder)
    write_durable(folder / PLAN, msgspec.json.format(msgspec.json.encode(plan), indent=2) + b"\n")
    return folder


def _read_plan(folder: Path) -> RoundPlan:
    try:
        return msgspec.json.decode(read_file(folder / PLAN), type=RoundPlan)
    except (BadRecord, msgspec.DecodeError, UnicodeDecodeError) as error:
        remedy = f"delete {folder}: the round was not finished, and is made again"
        raise InputRefused(f"damaged: {error}", where=folder / PLAN, remedy=remedy) from error


def _digest(told: Any) -> str:
    return sha256_of(msgspec.json.encode(told, order="deterministic"))
