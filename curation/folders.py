"""What lies below a folder: files that may be data, what operating systems left behind, names that cannot be used.

No file is opened and no link is followed. Time is linear in the number of names.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NamedTuple

from curation.errors import InputRefused
from curation.files import check_name
from curation.quarantine import BadRecord, Code, printable

OS_METADATA_NAMES: Final = frozenset(
    {".DS_Store", "Icon\r", "__MACOSX", ".Spotlight-V100", ".Trashes", ".fseventsd", ".TemporaryItems"}
    | {"Thumbs.db", "ehthumbs.db", "desktop.ini", "$RECYCLE.BIN", "System Volume Information", "@eaDir"}
)
OWN_NAMES: Final = frozenset({"manifest.parquet", ".curate"})
"""A folder that holds one of these is a dataset, or on the way to one: made from what is beside it, not part of it."""
APPLE_DOUBLE_PREFIX: Final = "._"
"""macOS keeps resource forks beside the files, e.g. `._0001.jpg`; they hold no picture, whatever their suffix says."""
IMAGE_SUFFIXES: Final = frozenset(
    {".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".jp2", ".heic", ".avif"}
)
"""Files of other suffixes are not looked at. Formats that are not accepted are here too: their check says why."""


ENTRIES_SHOWN: Final = 10
Kind = Literal["file", "folder", "link"]


class FoundFile(NamedTuple):
    """A file below a root: its POSIX path relative to the root, and its size in bytes (a link's own size)."""

    name: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What was found below `root`, each entry once, sorted by name.

    `files` may be images, `os_metadata` and `other_files` are no data, `broken` cannot be used as they are.
    `not_entered` are folders that the caller did not ask for, and datasets; nothing in them is counted.
    """

    root: Path
    files: tuple[FoundFile, ...]
    os_metadata: tuple[str, ...] = ()
    other_files: tuple[str, ...] = ()
    broken: tuple[BadRecord, ...] = ()
    not_entered: tuple[str, ...] = ()

    def fingerprint(self) -> str:
        """Give a SHA-256 over the names and sizes of the files; OS metadata does not change it."""
        lines = (f"{name}\0{size}\n".encode() for name, size in self.files)
        return hashlib.sha256(b"".join(lines)).hexdigest()


def everywhere(_: str) -> bool:
    """Enter every sub-folder."""
    return True


def list_folder(root: Path, *, enter: Callable[[str], bool] = everywhere) -> Listing:
    """List what lies below `root`, in it and in the sub-folders for which `enter(relative path)` holds.

    Raises InputRefused when `root` is not a folder that can be read.
    """
    if not root.is_dir():
        reason = "this is a file, not a folder" if root.exists() else "there is no such folder"
        raise InputRefused(reason, where=root, remedy="name the folder that holds the data set")
    found: list[FoundFile] = []
    broken: list[BadRecord] = []
    not_entered: list[str] = []
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            entries = _scan(root, folder)
        except OSError as error:
            said = (error.strerror or str(error)).lower()
            broken.append(BadRecord(Code.UNREADABLE, f"the folder cannot be listed: {said}", file=root / folder))
            continue
        if folder and any(name.rpartition("/")[2] in OWN_NAMES for name, _, _ in entries):
            not_entered.append(folder)
            continue
        for name, kind, size in entries:
            if kind == "folder":
                (waiting if is_os_metadata(name) or enter(name) else not_entered).append(name)
            elif kind == "link":
                reason = "a symbolic link to a folder, which is not followed"
                broken.append(BadRecord(Code.UNREADABLE, reason, file=root / name))
            else:
                found.append(FoundFile(name, size))
    return sort_out(found, root=root, broken=broken, not_entered=not_entered)


def require_folders(root: Path, *, names: Sequence[str]) -> None:
    """Refuse a root that does not directly hold all the named folders, and tell where they are if one level deeper.

    Raises InputRefused.
    """
    if not root.is_dir() or all((root / name).is_dir() for name in names):
        return
    here = sorted(entry.name for entry in root.iterdir())
    nested = [inner for inner in here if all((root / inner / name).is_dir() for name in names)]
    wanted = " and ".join(names)
    seen = printable(", ".join(here[:ENTRIES_SHOWN])) or "nothing"
    raise InputRefused(
        f"expected the folders {wanted} here; there is {seen}",
        where=root,
        remedy=f"give --root {root / nested[0]}" if nested else f"give the folder that holds {wanted} as --root",
    )


def sort_out(
    found: Iterable[FoundFile], *, root: Path, broken: Iterable[BadRecord] = (), not_entered: Iterable[str] = ()
) -> Listing:
    """Tell files that may be data from OS metadata, from other files, and from names that cannot be used."""
    files, metadata, others, unusable = [], [], [], list(broken)
    for file in found:
        if is_os_metadata(file.name):
            metadata.append(printable(file.name))
        elif (problem := _name_problem(file.name, root=root)) is not None:
            unusable.append(problem)
        elif _suffix(file.name) in IMAGE_SUFFIXES:
            files.append(file)
        else:
            others.append(file.name)
    return Listing(
        root=root,
        files=tuple(sorted(files)),
        os_metadata=tuple(sorted(metadata)),
        other_files=tuple(sorted(others)),
        broken=tuple(sorted(unusable, key=lambda problem: problem.file)),
        not_entered=tuple(sorted(printable(name) for name in not_entered)),
    )


def is_os_metadata(name: str) -> bool:
    """Tell whether a relative path is, or lies in, something that an operating system keeps for itself.

    >>> is_os_metadata("matting/1803201916/._matting_00000000"), is_os_metadata("__MACOSX/a/b.jpg")
    (True, True)
    >>> is_os_metadata("clip_img/1803151818/clip_00000000/1803151818-00000000.jpg")
    False
    """
    return any(part.startswith(APPLE_DOUBLE_PREFIX) or part in OS_METADATA_NAMES for part in name.split("/"))


def _scan(root: Path, folder: str) -> list[tuple[str, Kind, int]]:
    """Give path, kind and size in bytes of each entry of one folder."""
    with os.scandir(root / folder) as entries:
        return [
            (
                f"{folder}/{entry.name}" if folder else entry.name,
                _kind(entry),
                entry.stat(follow_symlinks=False).st_size,
            )
            for entry in entries
        ]


def _kind(entry: os.DirEntry[str]) -> Kind:
    """Tell folders to enter and links to folders; all else, a folder named like an image too, is for its reader."""
    if entry.is_symlink():
        return "link" if entry.is_dir() else "file"
    return "folder" if entry.is_dir() and _suffix(entry.name) not in IMAGE_SUFFIXES else "file"


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 - PurePath takes five times as long


def _name_problem(name: str, *, root: Path) -> BadRecord | None:
    try:
        check_name(name)
    except BadRecord as problem:
        return BadRecord(problem.code, problem.reason, file=root / name, value=name)
    return None
