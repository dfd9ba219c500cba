"""The configuration of the loop: one YAML file, from the data to the calendar. `curate init` writes an example.

Folders are taken as seen from the file. No secret stands in it: where one is needed, it names an environment variable.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Literal

import msgspec

from labeling.selection.select import Prefill, Strategy
from models.evaluation.gate import GateRules
from models.metrics.summary import HARD_BELOW
from models.structure import Structure
from models.training.settings import MIN_SIDE_PX, Stage
from models.yaml_files.config import ConfigText, converted, loaded, read_config_text
from pipelines.loop.timetable import read_timetable

ITSELF: Final = "champion"
"""The name of a teacher that is the best model so far; in a first round there is none."""
HINT: Final = "`curate init` writes a commented example"
ENVIRONMENT_NAME: Final = re.compile(r"[A-Z][A-Z0-9_]*")

SplitName = Literal["train", "val", "test", "all"]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A section or a list entry: a key that is not known is refused."""


class TestSet(Part, frozen=True, kw_only=True):
    """A data set that models are measured on. It is frozen: once measured on, a changed one is refused."""

    __test__ = False
    data: str
    split: SplitName = "test"


class DataSection(Part, frozen=True, kw_only=True):
    """What trains, what judges, what is measured on, and the pool of images from which new labels come.

    `licenses` is a file of licences that are allowed in what trains.
    """

    train: tuple[str, ...]
    test: tuple[TestSet, ...]
    val: tuple[str, ...] = ()
    pool: tuple[str, ...] = ()
    hard_weight: int = 2
    licenses: str | None = None

    def __post_init__(self) -> None:
        """Refuse a loop that cannot train or measure."""
        if not self.train:
            raise ValueError("train must name at least one data set")
        if not self.test:
            raise ValueError("test must name at least one data set; without it no model can be promoted")
        in_range("hard_weight", self.hard_weight, least=1, most=100)


class LabelSection(Part, frozen=True, kw_only=True):
    """What annotators are asked: how many samples a round, which, and what they start from.

    Without a project nobody is asked.
    """

    project: str | None = None
    budget: int = 50
    select: Strategy = "verdict"
    prefill: Prefill = "auto"

    def __post_init__(self) -> None:
        """Refuse numbers that ask nothing."""
        in_range("budget", self.budget, least=0, most=100_000)


class TrainSection(Part, frozen=True, kw_only=True):
    """How a challenger is trained: from the champion, or again."""

    network: str = "unet_shufflenet"
    start: Literal["champion", "imagenet", "random"] = "champion"
    input_size: tuple[int, int] = (224, 224)
    ema: float = 0.99
    patience: int | None = None
    auxiliary_weight: float | None = None
    output_stride: Literal[8, 16] | None = None
    atrous_rates: tuple[int, int, int] | None = None
    dilation: Literal["constant", "hybrid"] | None = None
    prior: Literal["frame", "face"] | None = None
    stages: tuple[Stage, ...] = (Stage(),)

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        if not self.stages:
            raise ValueError("stages must hold at least one stage")
        for stage in self.stages:
            if stage.data:
                raise ValueError(f"stage {stage.name!r} names data; the loop builds it from the section data")
        if min(self.input_size) < MIN_SIDE_PX:
            raise ValueError(f"input_size must be {MIN_SIDE_PX} pixels or more on each side - got {self.input_size}")
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema must be 0 or more, and below 1 - got {self.ema}")
        if self.patience is not None:
            in_range("patience", self.patience, least=1, most=100_000)

    @property
    def structure(self) -> Structure:
        """Return how the network is to be built."""
        return Structure(
            output_stride=self.output_stride,
            atrous_rates=self.atrous_rates,
            dilation=self.dilation,
            prior=self.prior,
        )


class TeachSection(Part, frozen=True, kw_only=True):
    """Models that label the pool, each by its place or `champion`: what they agree on trains, the rest is for people.

    What a stage of the training learns from a teacher of its own say the keys of the stage.
    """

    teachers: tuple[str, ...] = ()
    agreement: float = 0.9
    support: float = 0.2
    with_flips: bool = False

    def __post_init__(self) -> None:
        """Refuse numbers that keep nothing, or everything."""
        in_range("agreement", self.agreement, least=0, most=1)
        in_range("support", self.support, least=0, most=1)


class MineSection(Part, frozen=True, kw_only=True):
    """How the winner looks for what to label next. `teachers` judge the labels, each by its place."""

    threshold: float = HARD_BELOW
    pool_share: float = 0.1
    second: tuple[str, ...] = ()
    folds: int = 0
    teachers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse numbers that mine nothing."""
        in_range("threshold", self.threshold, least=0, most=1)
        in_range("pool_share", self.pool_share, least=0, most=1)
        if self.folds < 0 or self.folds == 1:
            raise ValueError(f"folds must be 0, or 2 and more - got {self.folds}")
        if ITSELF in self.teachers:
            raise ValueError(f"teachers must be other models - the {ITSELF} is the one whose errors are mined")


class ReportSection(Part, frozen=True, kw_only=True):
    """What the page of a round shows."""

    pictures: int = 12
    pdf: bool = False

    def __post_init__(self) -> None:
        """Refuse numbers that show nothing."""
        in_range("pictures", self.pictures, least=0, most=200)


class NotifySection(Part, frozen=True, kw_only=True):
    """The webhooks to call after a round: each entry is the name of an environment variable that holds an address."""

    webhooks: tuple[str, ...] = ()
    events: tuple[Literal["success", "refusal", "failure"], ...] = ("success", "refusal", "failure")

    def __post_init__(self) -> None:
        """Refuse an address, which is a secret, without repeating it."""
        for number, name in enumerate(self.webhooks):
            if not ENVIRONMENT_NAME.fullmatch(name):
                raise ValueError(
                    f"entry {number} of webhooks must be the name of an environment variable, such as "
                    "CURATE_WEBHOOK_URL; the address itself is a secret and stays out of this file"
                )


class ScheduleSection(Part, frozen=True, kw_only=True):
    """When a round begins: by cron, in intervals, or when a number of new labels arrived; the first that comes."""

    cron: str | None = None
    every: str | None = None
    new_labels: int | None = None
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        """Refuse a calendar that nobody can read."""
        read_timetable(cron=self.cron, every=self.every, zone=self.timezone)
        if self.new_labels is not None:
            in_range("new_labels", self.new_labels, least=1, most=1_000_000)


class LoopConfig(Part, frozen=True, kw_only=True):
    """The whole loop. `workspace` holds its rounds and its models; `model` is a name in the registry.

    With `control` a round also trains on the labels as they were before it, which tells what the new ones bring.
    """

    model: str = "portrait"
    workspace: str = "loop"
    seed: int = 0
    control: bool = False
    data: DataSection
    label: LabelSection = msgspec.field(default_factory=LabelSection)
    train: TrainSection = msgspec.field(default_factory=TrainSection)
    teach: TeachSection = msgspec.field(default_factory=TeachSection)
    gate: GateRules = msgspec.field(default_factory=GateRules)
    mine: MineSection = msgspec.field(default_factory=MineSection)
    report: ReportSection = msgspec.field(default_factory=ReportSection)
    notify: NotifySection = msgspec.field(default_factory=NotifySection)
    schedule: ScheduleSection = msgspec.field(default_factory=ScheduleSection)

    def __post_init__(self) -> None:
        """Refuse a name that could not be told from a version or a path."""
        if not re.fullmatch(r"[\w.-]{1,100}", self.model):
            raise ValueError(f"model must be of letters, digits, `_`, `-` and `.` - got {self.model!r}")


def read_loop_config(path: Path) -> LoopConfig:
    """Return the loop that a YAML file describes.

    Raises ConfigurationProblem naming file, line and key, what was found and what is expected.
    """
    return loop_config_from(read_config_text(path, hint=HINT).text, where=path)


def loop_config_from(text: bytes, *, where: Path) -> LoopConfig:
    """Return the loop that YAML text describes; raises ConfigurationProblem."""
    source = ConfigText(text=text, where=where, hint=HINT)
    return converted(loaded(source), LoopConfig, source=source)


def in_range(name: str, value: float, *, least: float, most: float) -> None:
    """Raise ValueError for a number outside `least`..`most`, and for one that is none."""
    if not least <= value <= most:
        raise ValueError(f"{name} must be from {least:g} to {most:g} - got {value:g}")
