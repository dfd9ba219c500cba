"""Links that are followed because the user said where they may lead: into named folders, and into no other.

A link is resolved first; then the file that it leads to is opened below the named folder, where no further link is
followed. So a link that is swapped meanwhile leads nowhere else.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from curation.errors import InputRefused
from curation.quarantine import BadRecord, Code
from curation.storage.files import read_file

LOOKED_AT: Final = 1000
"""So many files tell whether a folder holds links rather than files."""


def followed(path: Path, *, below: Path, links: Sequence[str]) -> tuple[Path, Path]:
    """Return a file and the folder it lies below, without a link on the way; both as given where `links` is empty.

    Raises BadRecord: UNREADABLE for a link that leads to none of the folders `links`, nor stays `below`.
    """
    if not links:
        return path, below
    real = _real(path)
    for root in (below.resolve(), *(Path(link).resolve() for link in links)):
        if real.is_relative_to(root):
            return real, root
    reason = f"a symbolic link to {real}, which lies in none of the folders of --follow-links"
    raise BadRecord(
        Code.UNREADABLE, reason, file=path, hint=f"give --follow-links {real.parent}, too, or copy the file"
    )


def read_followed(path: Path, *, below: Path, links: Sequence[str]) -> bytes:
    """Return the bytes of a file that may be a link; raises BadRecord as `read_file` and `followed` do."""
    real, root = followed(path, below=below, links=links)
    try:
        return read_file(real, below=root)
    except BadRecord as problem:
        problem.file = str(path)  # as the user knows it
        raise


def is_followed(path: Path, *, below: Path, links: Sequence[str]) -> bool:
    """Tell whether a link leads to where links may lead."""
    try:
        followed(path, below=below, links=links)
    except BadRecord:
        return False
    return bool(links)


def refuse_links_alone(paths: Sequence[Path], *, where: Path, links: Sequence[str]) -> None:
    """Refuse a folder most of whose files are links that are not followed: each would be set aside, one by one.

    Raises InputRefused, naming the folder that they lead to.
    """
    some = paths[:LOOKED_AT]
    linked = [path for path in some if path.is_symlink() and not is_followed(path, below=where, links=links)]
    if not linked or 2 * len(linked) <= len(some):
        return
    targets = [_real(path) for path in linked]
    common = os.path.commonpath([target if target.is_dir() else target.parent for target in targets])
    raise InputRefused(
        f"the files here are symbolic links, which are not followed ({len(linked)} of {len(some)}; e.g. "
        f"{linked[0].name} leads to {targets[0]})",
        where=where,
        remedy=f"give --follow-links {common} to follow links into that folder, and into no other; or copy what they "
        f"lead to: cp -rL {where} COPY",
    )


def _real(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # links that lead to each other
        return path.absolute()
