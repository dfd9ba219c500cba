"""The test sets of a workspace, frozen: `test-sets.json` holds the hash of each manifest since it was first used.

What a manifest says of its files is held against the files. Of those of which it says nothing, `test-files.json` does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from curation.checksums import digest_column
from curation.errors import InputRefused
from curation.files import make_folder, read_file, safe_join, sha256_of, write_durable
from curation.quarantine import BadRecord, Code
from models.gate import refuse_changed_sets

FROZEN: Final = "test-sets.json"
FILES: Final = "test-files.json"
MEASURED: Final = ("image", "mask", "ignore", "alpha", "trimap")
"""The columns whose files a measurement reads."""
RESTORE: Final = (
    "restore the file. A better label is a new version, by `curate label pull`, or a data set made again; to measure "
    f"on that from now on, delete its line in {FROZEN} of the workspace, and {FILES}: the rounds before can then not "
    "be compared with those after"
)

Rows = Sequence[Mapping[str, Any]]


def freeze(workspace: Path, *, found: Mapping[str, str]) -> dict[str, str]:
    """Hold test sets, name to SHA-256 of the manifest, against those that are frozen; freeze those that are new.

    Gives all that are frozen. Raises InputRefused naming both hashes when one changed, and when one is left out.
    """
    _write(workspace / FROZEN, found=found, before=held_against(workspace, found=found))
    return dict(found)


def held_against(workspace: Path, *, found: Mapping[str, str]) -> dict[str, str]:
    """Return the test sets that are frozen, none where nothing is; raises as `freeze` does, and changes nothing."""
    frozen = _read(workspace / FROZEN)
    refuse_changed_sets(frozen, found=found)
    return frozen


def freeze_files(workspace: Path, *, sets: Mapping[str, tuple[Path, Rows]]) -> None:
    """Hold the files of test sets against what their manifests say, or against what was frozen.

    `sets` holds folder and rows by the name that the configuration gives them, which stays when the loop is moved.
    Raises InputRefused naming a file with both hashes when one changed, or is gone; nothing is frozen then.
    """
    frozen = _read(workspace / FILES)
    found: dict[str, str] = {}
    changed = []
    for name, (folder, rows) in sets.items():
        for file, digest, expected in _files(folder, rows=rows):
            key = f"{name}/{file}"
            known = expected or frozen.get(key, digest)
            if digest != known:
                changed.append((folder / file, f"has the SHA-256 {digest}, frozen was {known}"))
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
                digest = sha256_of(read_file(safe_join(folder, name), below=folder))
            except BadRecord as problem:
                reason = f"a file of a frozen test set cannot be read: {problem.reason}"
                raise InputRefused(reason, where=folder / name, remedy=RESTORE) from problem
            yield name, digest, row.get(digest_column(column))


def _write(file: Path, *, found: Mapping[str, str], before: Mapping[str, str]) -> None:
    if before != found:
        make_folder(file.parent)
        text = msgspec.json.format(msgspec.json.encode(dict(found), order="deterministic"), indent=2)
        write_durable(file, text + b"\n")


def _read(file: Path) -> dict[str, str]:
    try:
        return msgspec.json.decode(read_file(file), type=dict[str, str])
    except BadRecord as problem:
        if problem.code == Code.MISSING_FILE:
            return {}
        raise InputRefused(problem.reason, where=file, remedy=problem.hint) from problem
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        remedy = "restore the file; without it, nobody knows whether rounds can be compared"
        raise InputRefused(f"damaged: {error}", where=file, remedy=remedy) from error
