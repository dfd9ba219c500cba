"""The files that a command makes beside each other, and the record of what each was made from.

A file that is there is taken for done only when the record says that it was made from the same photographs, with the
same model and the same settings, and it is still what was written. Anything else under its name is a conflict: another
photograph of the same name, other settings, a file of somebody else. The line of a file is on the disk before the file
is, so that a command that was killed in between makes it again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Any, Final

import msgspec

from curation.errors import InputRefused
from curation.quarantine import BadRecord, Code
from curation.storage.files import fingerprint_file, make_folder, sha256_of, telling_where, write_durable
from curation.storage.flush import flush_filesystem
from curation.storage.journal import Journal
from models.prediction.ready_model import ReadyModel
from pipelines.command_line.options import Result

RECORD: Final = ".curate-made.jsonl"
"""Beside the files that it speaks of; the last line of a file counts."""
SHOWN: Final = 20
REMEDY: Final = "choose another --out, or give --overwrite to replace it"


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the record: a file, and what it was made from.

    `sources` are the SHA-256 of the photographs, `settings` hold the model's SHA-256 and whatever shapes the result,
    `sha256` is that of the file itself; `id` counts the lines. `told` is what there was to say of the file, which is
    said again where it is kept.
    """

    id: str
    file: str
    command: str
    sources: tuple[str, ...]
    settings: dict[str, Any]
    sha256: str
    told: dict[str, Any] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """What a file is to be made from: the command, the photographs in their order, and the settings."""

    command: str
    sources: tuple[Path, ...]
    settings: Mapping[str, Any]


def settings_with_model(model: ReadyModel, *, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as a record holds them, with the model named by the hashes of its weights and of its card."""
    card = sha256_of(msgspec.json.encode(model.card, order="deterministic"))
    told = {**settings, "model": model.sha256, "card": card}
    read_back: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(told, enc_hook=str))
    return read_back


class MadeFiles:
    """What a command makes in files of its own: what it wrote, what was there already, what was broken."""

    def __init__(self, *, command: str, out: Path, overwrite: bool, broken: Sequence[BadRecord] = ()) -> None:
        self.command = command
        self.out = out
        self.broken = list(broken)
        self.files: list[str] = []
        self.kept: list[str] = []
        self.warnings: list[str] = []
        self._overwrite = overwrite
        self._records: dict[Path, Record] = {}
        self._hashes: dict[Path, str] = {}

    def is_waiting(self, makings: Mapping[Path, Making]) -> bool:
        """Say whether any of the files that belong together is still to be made; else they are kept.

        Notes a CONFLICT, and says no, when something else is there under one of the names, unless everything is to be
        made again.
        """
        if self._overwrite:
            return True
        try:
            found = [self._is_there(path, making=making) for path, making in makings.items()]
        except BadRecord as problem:
            self.broken.append(problem)
            return False
        if not all(found):
            return True
        self.kept += map(str, makings)
        return False

    def write(self, path: Path, data: bytes, *, making: Making) -> None:
        """Write a file whole, and before it the line that says what it was made from."""
        self._note(path, making=making, sha256=sha256_of(data), told={})
        write_durable(path, data)
        self.files.append(str(path))

    def adopt(self, path: Path, file: Path, *, making: Making, told: Mapping[str, Any]) -> None:
        """Take a finished file of the same disk, however large, under its name; before it the line, with what is
        told of it."""
        self._note(path, making=making, sha256=fingerprint_file(file), told=told)
        with telling_where(path):
            file.replace(path)
            flush_filesystem(path.parent)
        self.files.append(str(path))

    def told_of(self, path: Path) -> dict[str, Any]:
        """Return what there was to say of a file that was kept."""
        known = self._record_of(path.parent).last.get(path.name)
        return {} if known is None else dict(known.told)

    def refuse_conflicts_alone(self, *, chosen: int) -> None:
        """Raise InputRefused when every photograph that was chosen meets something else under its name."""
        conflicts = [problem for problem in self.broken if problem.code is Code.CONFLICT]
        if chosen and len(conflicts) == chosen:
            first = conflicts[0]
            more = f" (and {chosen - 1} more like it)" if chosen > 1 else ""
            raise InputRefused(f"{first.reason}{more}", remedy=first.hint)

    def result(self, *, lines: Sequence[str] = (), **more: Any) -> Result:
        """Return what became of everything; `lines` and `more` tell people and scripts what the command knows."""
        records = [problem.record(stage=self.command) for problem in self.broken]
        told = [f"{self.out}: {len(self.files)} written"]
        if self.kept:
            told.append(f"  {len(self.kept)} exist already, made in the same way; --overwrite makes them again")
        told += lines
        told += [f"  set aside: {one.file}: {one.reason}; {one.hint}" for one in self.broken[:SHOWN]]
        if len(self.broken) > SHOWN:
            told.append(f"  and {len(self.broken) - SHOWN} more; --json lists all")
        data = {
            "command": self.command,
            "out": str(self.out),
            "written": self.files,
            "kept": self.kept,
            "quarantine": msgspec.to_builtins(records),
            **more,
        }
        return Result.of(told, data, set_aside=self.broken, warnings=self.warnings)

    def _note(self, path: Path, *, making: Making, sha256: str, told: Mapping[str, Any]) -> None:
        """Write the line that says what a file was made from."""
        make_folder(path.parent)
        line = Made(
            id="",
            file=path.name,
            command=making.command,
            sources=self._hashes_of(making),
            settings=dict(making.settings),
            sha256=sha256,
            told=dict(told),
        )
        self._record_of(path.parent).note(line)

    def _is_there(self, path: Path, *, making: Making) -> bool:
        if not os.path.lexists(path):
            return False
        known = self._record_of(path.parent).last.get(path.name)
        if (reason := _conflict(path, known=known, making=making, sources=self._hashes_of(making))) is not None:
            raise BadRecord(Code.CONFLICT, reason, file=making.sources[0], field="out", value=str(path), hint=REMEDY)
        return True

    def _hashes_of(self, making: Making) -> tuple[str, ...]:
        """Return the SHA-256 of the photographs; each is read once, however many files are made from it."""
        for file in making.sources:
            if file not in self._hashes:
                self._hashes[file] = fingerprint_file(file)
        return tuple(self._hashes[file] for file in making.sources)

    def _record_of(self, folder: Path) -> Record:
        if folder not in self._records:
            self._records[folder] = Record(folder / RECORD)
        return self._records[folder]


class Record:
    """The record of a folder: `last` holds the last line of each file. The file is made with its first line."""

    def __init__(self, path: Path) -> None:
        self._journal = Journal(path, kind=Made)
        self.last: dict[str, Made] = {}
        self._next = 0
        if os.path.lexists(path):
            self._start()
            self.last = {made.file: made for made in self._journal.outcomes()}

    def note(self, line: Made) -> None:
        """Bring a line to the disk, unless it is the last of its file already."""
        if not self._journal.done:
            self._start()
        known = self.last.get(line.file)
        if known is None or msgspec.structs.replace(known, id="") != line:
            line = msgspec.structs.replace(line, id=str(self._next))
            self._next += 1
            self._journal.add(line)
            self._journal.commit()
            self.last[line.file] = line

    def _start(self) -> None:
        try:
            if os.path.lexists(self._journal.path) and not S_ISREG(os.lstat(self._journal.path).st_mode):
                raise ValueError("a link, a folder or a device")
            self._journal.start(run_id=RECORD)
            numbers = (int(made.id) for made in self._journal.outcomes() if made.id.isdecimal())
            self._next = max(numbers, default=-1) + 1
        except ValueError as error:
            remedy = "choose another --out, or move this file away"
            raise InputRefused("not a record of curate", where=self._journal.path, remedy=remedy) from error


def _conflict(path: Path, *, known: Made | None, making: Making, sources: tuple[str, ...]) -> str | None:
    """Return why what is there is not what is asked for, None where it is."""
    if known is None:
        return f"{path} exists already, and what it was made from is not known"
    if known.command != making.command:
        return f"{path} was made by `curate {known.command}`"
    if known.sources != sources:
        return f"{path} was made from another photograph of the same name"
    if other := _differences(known.settings, making.settings):
        return f"{path} was made with {other}"
    if fingerprint_file(path) != known.sha256:
        return f"{path} was changed since it was made, or is not whole"
    return None


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    if {"model", "card"}.intersection(names):
        names = ["another model", *(name for name in names if name not in {"model", "card"})]
    return ", ".join(name if name == "another model" else f"{name} {old.get(name)!r}" for name in names)
