"""What lies below a folder, every entry accounted for: images, what is no image by kind, names that cannot be used.

A file not named like a JPEG, PNG or WebP is recognised by its first bytes, not by its name: a `.HEIC` may hold a
JPEG, as may an `.mpo`, or a file without a suffix. No link is followed but where the user
says so. Time is linear in the number of names.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal, NamedTuple

from curation.errors import InputRefused
from curation.images.file_kinds import (
    HEAD_BYTES,
    IMAGE_SUFFIXES,
    PAGES,
    READ_SUFFIXES,
    Stray,
    other_format,
    stem_of,
    stray_kind,
    suffix_of,
)
from curation.images.header import format_of
from curation.quarantine import BadRecord, Code, printable
from curation.storage.files import check_name, read_start
from curation.storage.followed_links import followed, is_followed, refuse_links_alone
from curation.storage.opened import LINK_HINT

OS_METADATA_NAMES: Final = frozenset(
    {".DS_Store", "Icon\r", "__MACOSX", ".Spotlight-V100", ".Trashes", ".fseventsd", ".TemporaryItems"}
    | {"Thumbs.db", "ehthumbs.db", "desktop.ini", "$RECYCLE.BIN", "System Volume Information", "@eaDir"}
)
OWN_NAMES: Final = frozenset({"manifest.parquet", ".curate"})
"""A folder that holds one of these is a dataset, or on the way to one: made from what is beside it, not part of it."""
IN_PARTS: Final = frozenset({"dataset.json", "manifest"})
"""A folder that holds both is a dataset whose manifest is in parts."""
APPLE_DOUBLE_PREFIX: Final = "._"
"""macOS keeps resource forks beside the files, e.g. `._0001.jpg`; they hold no picture, whatever their suffix says."""
ENTRIES_SHOWN: Final = 10
NAMES_KEPT: Final = 100
"""So many names of each kind of file that is left out are written into a card."""
OS_METADATA: Final = "os_metadata"
OTHER_FILE: Final = "other_file"
OTHER_FORMAT: Final = "other_format"
NOT_ENTERED: Final = "folders_not_looked_into"
"""Their name in the notes of a card."""
TOLD: Final = "told"
"""The same of sentences on how inputs were read, for the summary."""
UNNAMED: Final = "files_without_record"
"""The same of files that lie there and that no record of an annotation file names."""
Kind = Literal["file", "folder", "link"]


class FoundFile(NamedTuple):
    """A file below a root: its POSIX path relative to the root, and its size in bytes (a link's own size)."""

    name: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What was found below `root`, each entry once, sorted by name.

    `files` are images by what they hold or by their names, those of formats that are not read, such as HEIF, among
    them: their check says why. `left_out` are names by the reason why they are no data: what kind of file they are, or
    `other_format`, an image that is not read beside one of the same name that is, such as camera raw beside JPEG.
    `broken` cannot be used as they are. `not_entered` are folders that the caller did not ask for, and datasets, with
    the number of files in each; none of these is counted.
    """

    root: Path
    files: tuple[FoundFile, ...]
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    broken: tuple[BadRecord, ...] = ()
    not_entered: Mapping[str, int] = field(default_factory=dict)

    def fingerprint(self) -> str:
        """Return a SHA-256 over the names of all files and the sizes of images; OS metadata does not change it."""
        lines = [f"{name}\0{size}\n" for name, size in self.files]
        lines += [f"{reason}\0{name}\n" for reason, names in self.left_out.items() for name in names]
        counted = (line.encode() for line in lines if not line.startswith(f"{OS_METADATA}\0"))
        return hashlib.sha256(b"".join(counted)).hexdigest()


def everywhere(_: str) -> bool:
    """Enter every sub-folder."""
    return True


def list_folder(
    root: Path,
    *,
    enter: Callable[[str], bool] = everywhere,
    elsewhere: Path | None = None,
    links: Sequence[str] = (),
) -> Listing:
    """List what lies below `root`, in it and in the sub-folders for which `enter(relative path)` holds.

    Links are followed into the folders `links`, each folder once. `elsewhere` is a folder that is listed for itself;
    where it lies below `root`, it is no part of it.
    Raises InputRefused when `root` is not a folder that can be read.
    """
    if not root.is_dir():
        reason = "this is a file, not a folder" if root.exists() else "there is no such folder"
        raise InputRefused(reason, where=root, remedy="name the folder that holds the data set")
    found: list[FoundFile] = []
    broken: list[BadRecord] = []
    not_entered: list[str] = []
    waiting, own = [""], None if elsewhere is None else elsewhere.resolve()
    entered: set[Path] = set()
    while waiting:
        folder = waiting.pop()
        if links and (real := (root / folder).resolve()) in entered:
            continue
        if links:
            entered.add(real)
        try:
            entries = _scan(root, folder, links=links)
        except OSError as error:
            said = (error.strerror or str(error)).lower()
            broken.append(BadRecord(Code.UNREADABLE, f"the folder cannot be listed: {said}", file=root / folder))
            continue
        if folder and _is_own({name.rpartition("/")[2] for name, _, _ in entries}):
            not_entered.append(folder)
            continue
        for name, kind, size in entries:
            if kind == "folder" and own is not None and (root / name).resolve() == own:
                continue
            if kind == "folder":
                (waiting if is_os_metadata(name) or enter(name) else not_entered).append(name)
            elif kind == "link":
                reason = "a symbolic link to a folder, which is not followed"
                broken.append(BadRecord(Code.UNREADABLE, reason, file=root / name, hint=LINK_HINT))
            else:
                found.append(FoundFile(name, size))
    listing = sort_out(found, root=root, broken=broken, links=links)
    return replace(listing, not_entered={printable(name): _files_in(root / name) for name in sorted(not_entered)})


def list_source(
    root: Path,
    *,
    enter: Callable[[str], bool] = everywhere,
    elsewhere: Path | None = None,
    links: Sequence[Path] = (),
) -> Listing:
    """List a folder that data is imported from, as `list_folder` does; refuse one that holds links instead of files.

    Raises InputRefused.
    """
    listing = list_folder(root, enter=enter, elsewhere=elsewhere, links=[str(link) for link in links])
    paths = [*(Path(line.file) for line in listing.broken), *(root / file.name for file in listing.files)]
    refuse_links_alone(paths, where=root, links=[str(link) for link in links])
    return listing


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
    found: Iterable[FoundFile], *, root: Path, broken: Iterable[BadRecord] = (), links: Sequence[str] = ()
) -> Listing:
    """Tell images from what is none, by kind, and from names that cannot be used."""
    files, unread, unusable = [], [], list(broken)
    left_out: dict[str, list[str]] = {}
    for file in found:
        if is_os_metadata(file.name):
            left_out.setdefault(OS_METADATA, []).append(printable(file.name))
        elif (problem := _name_problem(file.name, root=root)) is not None:
            unusable.append(problem)
        elif (
            suffix_of(file.name) in READ_SUFFIXES
            or (kind := _kind_of_file(file.name, root=root, links=links)) == "image"
        ):
            files.append(file)
        elif kind == "unread":
            unread.append(file)
        else:
            left_out.setdefault(kind, []).append(file.name)
    stems = {stem_of(file.name) for file in files}
    for file in sorted(unread):
        if stem_of(file.name) in stems:
            left_out.setdefault(OTHER_FORMAT, []).append(file.name)
        else:
            files.append(file)
            stems.add(stem_of(file.name))
    return Listing(
        root=root,
        files=tuple(sorted(files)),
        left_out={reason: tuple(sorted(left_out[reason])) for reason in sorted(left_out)},
        broken=tuple(sorted(unusable, key=lambda problem: problem.file)),
    )


def is_os_metadata(name: str) -> bool:
    """Tell whether a relative path is, or lies in, something that an operating system keeps for itself.

    >>> is_os_metadata("matting/1803201916/._matting_00000000"), is_os_metadata("__MACOSX/a/b.jpg")
    (True, True)
    >>> is_os_metadata("clip_img/1803151818/clip_00000000/1803151818-00000000.jpg")
    False
    """
    return any(part.startswith(APPLE_DOUBLE_PREFIX) or part in OS_METADATA_NAMES for part in name.split("/"))


def _is_own(names: set[str]) -> bool:
    """Tell whether a folder of these entries is a dataset, or on the way to one."""
    return not OWN_NAMES.isdisjoint(names) or names >= IN_PARTS


def _scan(root: Path, folder: str, *, links: Sequence[str]) -> list[tuple[str, Kind, int]]:
    """Return path, kind and size in bytes of each entry of one folder."""
    with os.scandir(root / folder) as entries:
        return [_entry(entry, root=root, folder=folder, links=links) for entry in entries]


def _entry(entry: os.DirEntry[str], *, root: Path, folder: str, links: Sequence[str]) -> tuple[str, Kind, int]:
    name = f"{folder}/{entry.name}" if folder else entry.name
    is_followed_link = (
        entry.is_symlink() and is_followed(root / name, below=root, links=links) and (root / name).exists()
    )
    size = entry.stat(follow_symlinks=is_followed_link).st_size
    return name, _kind(entry, is_followed_link=is_followed_link), size


def _kind(entry: os.DirEntry[str], *, is_followed_link: bool) -> Kind:
    """Tell folders to enter and links to folders; all else, a folder named like an image too, is for its reader."""
    if entry.is_symlink() and not is_followed_link:
        return "link" if entry.is_dir() else "file"
    return "folder" if entry.is_dir() and suffix_of(entry.name) not in READ_SUFFIXES else "file"


def _kind_of_file(name: str, *, root: Path, links: Sequence[str]) -> Literal["image", "unread"] | Stray:
    """Return what a file is whose name does not tell; what cannot be opened is what its name says."""
    is_named_image = suffix_of(name) in IMAGE_SUFFIXES
    try:
        path, below = followed(root / name, below=root, links=links)
        head = read_start(path, below=below, length=HEAD_BYTES)
    except BadRecord:
        return "unread" if is_named_image else OTHER_FILE
    if format_of(head) is not None:
        return "image"
    known = other_format(head, name=name)
    if known in PAGES:
        return "document"
    return "unread" if known is not None or is_named_image else stray_kind(head)


def _files_in(folder: Path) -> int:
    """Return how many files lie in a folder and below; no link is followed, and what cannot be listed has none."""
    return sum(len(files) for _, _, files in os.walk(folder))


def _name_problem(name: str, *, root: Path) -> BadRecord | None:
    try:
        check_name(name)
    except BadRecord as problem:
        return BadRecord(problem.code, problem.reason, file=root / name, value=name)
    return None
