"""The test sets of a workspace, frozen: `test-sets.json` holds what decides a measurement of each of their rows.

Only rows of the split that is measured count: others of the same data set may be relabelled. What a manifest says of
its files is held against the files. Of those of which it says nothing, `test-files.json` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa

from curation.dataset.made_before import is_incomplete
from curation.errors import InputRefused
from curation.quarantine import BadRecord, Code
from curation.storage.checksums import digest_column
from curation.storage.files import make_folder, named_file, read_file, sha256_of, write_durable
from models.evaluation.gate import THAW, refuse_changed_sets

FROZEN: Final = "test-sets.json"
FILES: Final = "test-files.json"
MEASURED: Final = ("image", "mask", "ignore", "alpha", "trimap")
"""The columns whose files a measurement reads."""
DECISIVE: Final = ("split", "width", "height", "persons", "source", "group")
"""The columns that decide which rows are measured, in which slice they count, and what is drawn together."""
RESTORE: Final = (
    "restore the file. A better label is a new version, by `curate label pull`, or a data set made again; to measure "
    f"on that from now on, delete its entry in {FROZEN} of the workspace, and {FILES}: the rounds before can then not "
    "be compared with those after"
)

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True, eq=False)
class TestRows:
    """The rows of a data set that are measured on. `name` is that of its folder in the configuration, which stays when
    the loop is moved; `manifest` is the SHA-256 of its manifest, by which earlier versions froze the whole."""

    __test__ = False
    name: str
    folder: Path
    manifest: str
    table: pa.Table

    @property
    def rows(self) -> Rows:
        """The rows, one mapping each."""
        rows: Rows = self.table.to_pylist()
        return rows

    @cached_property
    def digests(self) -> dict[str, str]:
        """The SHA-256 of what decides a measurement of each row, by id: its pixels, whatever their files are called,
        and what it is counted with. Scores and what annotators said are not of it."""
        return {row["id"]: sha256_of(msgspec.json.encode(_decisive(row), order="deterministic")) for row in self.rows}

    def frozen(self) -> FrozenSet:
        """Return the set as it is frozen now."""
        known_by = sha256_of(msgspec.json.encode(self.digests, order="deterministic"))
        return FrozenSet(sha256=known_by, rows=self.digests)


class FrozenSet(msgspec.Struct, frozen=True, kw_only=True):
    """A test set as it was frozen: what rounds know it by, and the SHA-256 of what decides a measurement, by id."""

    sha256: str
    rows: dict[str, str]


def freeze(workspace: Path, *, found: Mapping[str, TestRows]) -> dict[str, str]:
    """Hold test sets against those that are frozen, and freeze those that are new.

    Return what rounds know each by. Raise InputRefused naming the samples when one changed, and when one is left out.
    """
    take_over(workspace, found=found)
    frozen = held_against(workspace, found=found)
    now = {name: frozen.get(name) or one.frozen() for name, one in found.items()}
    _write(workspace / FROZEN, found=now, before=frozen)
    return {name: one.sha256 for name, one in now.items()}


def held_against(workspace: Path, *, found: Mapping[str, TestRows]) -> dict[str, FrozenSet]:
    """Return the test sets that are frozen, none where nothing is; raise as `freeze` does, and change nothing."""
    frozen = _by_rows(_read(workspace / FROZEN, of=str | FrozenSet), found=found)
    for name, one in frozen.items():
        if isinstance(one, str) and name in found:
            reason = f"the test set changed: its manifest has the SHA-256 {found[name].manifest}, frozen was {one}"
            raise InputRefused(reason, where=name, remedy=THAW)
    known = {name: one for name, one in frozen.items() if isinstance(one, FrozenSet)}
    rows = {name: known[name].rows if name in known else {} for name in frozen}
    refuse_changed_sets(rows, found={name: one.digests for name, one in found.items()})
    return known


def take_over(workspace: Path, *, found: Mapping[str, TestRows]) -> None:
    """Freeze by rows what an earlier version froze by its manifest and is that very manifest still.

    To be done before a pull, which writes into manifests.
    """
    before = _read(workspace / FROZEN, of=str | FrozenSet)
    _write(workspace / FROZEN, found=_by_rows(before, found=found), before=before)


def freeze_files(workspace: Path, *, sets: Iterable[TestRows]) -> None:
    """Hold the files of test sets against what their manifests say, or against what was frozen.

    Raise InputRefused naming a file with both hashes when one changed, or is gone; nothing is frozen then.
    """
    frozen = _read(workspace / FILES, of=str)
    found: dict[str, str] = {}
    changed = []
    for one in sets:
        for file, digest, expected in _files(one.folder, rows=one.rows):
            key = f"{one.name}/{file}"
            known = expected or frozen.get(key, digest)
            if digest != known:
                changed.append((one.folder / file, f"has the SHA-256 {digest}, frozen was {known}"))
            if expected is None:
                found[key] = digest
    if changed:
        place, told = changed[0]
        more = f"; so did {len(changed) - 1} others" if len(changed) > 1 else ""
        raise InputRefused(f"a file of a frozen test set changed: it {told}{more}", where=place, remedy=RESTORE)
    _write(workspace / FILES, found=found, before=frozen)


def _files(folder: Path, *, rows: Rows) -> Iterator[tuple[str, str, str | None]]:
    """Yield every file that a measurement reads, its SHA-256, and what the manifest says that is, None if nothing."""
    for row in rows:
        for column in MEASURED:
            if (name := row.get(column)) is None:
                continue
            try:
                digest = sha256_of(read_file(named_file(folder, name), below=folder))
            except BadRecord as problem:
                reason = f"a file of a frozen test set cannot be read: {problem.reason}"
                raise InputRefused(reason, where=folder / name, remedy=RESTORE) from problem
            yield name, digest, row.get(digest_column(column))


def _by_rows(frozen: Mapping[str, str | FrozenSet], *, found: Mapping[str, TestRows]) -> dict[str, str | FrozenSet]:
    """Return what is frozen; of a manifest that is the same still, its rows, under the hash that rounds know it by."""
    return {
        name: FrozenSet(sha256=one, rows=found[name].digests)
        if isinstance(one, str) and name in found and one == found[name].manifest
        else one
        for name, one in frozen.items()
    }


def _decisive(row: Mapping[str, Any]) -> dict[str, Any]:
    pixels = {name: row.get(name) and (row.get(digest_column(name)) or row[name]) for name in MEASURED}
    return {name: row[name] for name in DECISIVE} | pixels | {"is_incomplete": is_incomplete(row)}


def _write(file: Path, *, found: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    if before != found:
        make_folder(file.parent)
        text = msgspec.json.format(msgspec.json.encode(dict(found), order="deterministic"), indent=2)
        write_durable(file, text + b"\n")


def _read(file: Path, *, of: Any) -> dict[str, Any]:
    try:
        found: dict[str, Any] = msgspec.json.decode(read_file(file), type=dict[str, of])
        return found
    except BadRecord as problem:
        if problem.code == Code.MISSING_FILE:
            return {}
        raise InputRefused(problem.reason, where=file, remedy=problem.hint) from problem
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        remedy = "restore the file; without it, whether rounds can be compared is not known"
        raise InputRefused(f"damaged: {error}", where=file, remedy=remedy) from error
