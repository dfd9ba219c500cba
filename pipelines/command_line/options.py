"""What every verb has: the flags that all take, and the result that each returns."""

from __future__ import annotations

import dataclasses
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from curation.building.engine import Engine
from curation.building.local_engine import LOCAL
from curation.errors import InputRefused
from curation.setting import REQUIRED
from curation.setting import setting as setting  # every verb declares its flags with it

if TYPE_CHECKING:
    from curation.building.workers import RunnerOptions
    from curation.dataset.dataset import Dataset
    from models.prediction.protocol import EngineOptions

HERE: Final = "local"
CLUSTER: Final = re.compile(r"ray(?P<address>://(\[[0-9a-fA-F:.]+\]|[\w.-]+):[0-9]{1,5})?")
DONE_WITH_QUARANTINE: Final = 3
"""The exit code of a command that is done, but set inputs aside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The flags that every command has. None of them changes what a finished result holds, but seed and limit.

    `machines`, which is no flag, is what `engine` names; every command that works on many items gives them to it.
    """

    seed: int = setting("Seed of everything that is drawn at random.", default=0)
    workers: int = setting(
        "Processes to work with; 0 works in this process, without isolation.",
        default=len(os.sched_getaffinity(0)),
        metavar="N",
    )
    engine: str = setting(
        "Where items are worked on: local, ray (the cluster of $RAY_ADDRESS, else one started here), or "
        "ray://HOST:PORT.",
        default=HERE,
        metavar="local|ray|ray://HOST:PORT",
    )
    device: str = setting("Where models run: auto, cpu, cuda or cuda:N.", default="auto")
    limit: int | None = setting("Use only the first N samples that would be selected.", default=None, metavar="N")
    max_quarantine: str | None = setting(
        "Broken inputs allowed, as a count or a share such as 5%.  [default: 1%, and at least 10]",
        default=None,
        metavar="N|N%",
    )
    overwrite: bool = setting(
        "Replace what an earlier run made; it is kept until the new result is complete.", default=False
    )
    dry_run: bool = setting("Decide and print what would be made, and write nothing.", default=False)
    json: bool = setting("Print one JSON object with the result on stdout.", default=False)
    quiet: bool = setting("No progress bar and no summary.", default=False)
    machines: Engine = LOCAL

    def __post_init__(self) -> None:
        """Refuse numbers that can do nothing, and engines that there are not."""
        if self.workers < 0:
            raise click.UsageError(f"--workers {self.workers} is negative; give 0 or more")
        if self.limit is not None and self.limit < 1:
            raise click.UsageError(f"--limit {self.limit} would select nothing; give 1 or more")
        if self.engine != HERE and self.machines is LOCAL:
            object.__setattr__(self, "machines", _cluster(self.engine, is_quiet=self.quiet))

    @property
    def runner(self) -> RunnerOptions:
        """Return how work on items is spread."""
        from curation.building.workers import RunnerOptions  # as below: a dry run needs none of it

        return RunnerOptions(workers=self.workers, engine=self.machines)

    @property
    def predicting(self) -> EngineOptions:
        """Return how a model predicts files."""
        from models.prediction.protocol import EngineOptions

        return EngineOptions(device=self.device, workers=self.workers, engine=self.machines)


def _cluster(name: str, *, is_quiet: bool) -> Engine:
    """Return the engine of a cluster, which is joined when the first job needs it. Raises UsageError."""
    found = CLUSTER.fullmatch(name)
    if found is None:
        raise click.UsageError(f"--engine {name!r} is none of local, ray, ray://HOST:PORT, such as ray://head:10001")
    from curation.cluster.ray_engine import RayEngine  # here: most commands work on this machine

    def tell(line: str) -> None:
        with suppress(OSError):  # a service outlives who listens to it
            sys.stderr.write(f"curate: {line}\n")

    return RayEngine(address=name if found["address"] else "", tell=_ignore if is_quiet else tell)


def _ignore(line: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Result:
    """What a command has to say: a text for people, the same as data for scripts, and the exit code.

    `warnings` name work that followed the flags, but perhaps not the intention. `output` is a file that goes to stdout;
    the summary then goes to stderr.
    """

    summary: str
    data: dict[str, Any]
    exit_code: int = 0
    warnings: tuple[str, ...] = ()
    output: bytes | None = None

    @classmethod
    def of(
        cls, lines: Iterable[str], data: dict[str, Any], *, set_aside: object = None, warnings: Iterable[str] = ()
    ) -> Result:
        """Return what a command has to say in `lines`; its exit code tells whether anything was `set_aside`."""
        code = DONE_WITH_QUARANTINE if set_aside else 0
        return cls(summary="\n".join(lines), data=data, exit_code=code, warnings=tuple(warnings))

    @property
    def out(self) -> Path | None:
        """Return what the command made: a folder or a file; None where it makes none."""
        return Path(self.data["out"]) if "out" in self.data else None

    @property
    def counts(self) -> Mapping[str, Any]:
        """Return what the command counted; where its data hold no counts by this name, all whole numbers in them."""
        if isinstance(counts := self.data.get("counts"), dict):
            return dict(counts)
        return {name: number for name, number in self.data.items() if type(number) is int}

    @property
    def dataset(self) -> Dataset:
        """Return the dataset that the command made or changed, read now.

        Raises InputRefused where there is none: the command makes none, or it was a dry run.
        """
        from curation.dataset.dataset import read_dataset
        from curation.dataset.manifest_files import is_dataset
        from curation.remote.mirrored import mirrored_dataset
        from curation.remote.object_store import address_of

        folder, is_dry = self.data.get("out", self.data.get("dataset")), self.data.get("dry_run")
        if folder is not None and not is_dry and (address := address_of(folder)) is not None:
            folder = mirrored_dataset(address)
        if is_dry or folder is None or not is_dataset(Path(folder)):
            remedy = "leave out dry_run" if is_dry else "`out` and `data` of the result tell what it made"
            raise InputRefused(f"{self.data.get('command', 'this')} made no dataset", where=folder, remedy=remedy)
        return read_dataset(Path(folder))

    def __repr__(self) -> str:
        """Return one line: the command, the first line of its summary, and how many warnings there are."""
        more = f", {len(self.warnings)} warnings" if self.warnings else ""
        return f"<Result of {self.data.get('command', 'a command')}: {self.summary.partition(chr(10))[0]}{more}>"

    def __str__(self) -> str:
        """Return the summary, as the command line prints it."""
        return self.summary

    def _repr_html_(self) -> str:
        """Return the summary, the warnings and, where a dataset was made, thumbnails of it, for a notebook."""
        from curation.dataset.notebook_html import escaped_lines

        text = escaped_lines("\n".join([self.summary, *self.warnings]))
        try:
            return text + self.dataset._repr_html_()
        except InputRefused:
            return text


Verb = Callable[..., Result]


def flags_of(settings_type: type) -> list[dataclasses.Field[Any]]:
    """Return the fields of a settings dataclass that are flags, those first that must be given."""
    flags = [field for field in dataclasses.fields(settings_type) if "meaning" in field.metadata]
    return sorted(flags, key=lambda field: field.default is not REQUIRED)
