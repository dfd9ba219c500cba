"""The folder that a command makes: whether it may be used, its lock, and where it waits while it is replaced."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from curation.errors import InputRefused

WORKSPACE: Final = ".curate"
"""The folder inside it that holds its lock and unfinished work."""


def refuse_foreign(out: Path, *, kind: str, is_ours: bool) -> None:
    """Raise InputRefused when there is something in the place of a folder that is no `kind`, such as "dataset".

    Whoever asks knows whether it is, `is_ours`. A workspace alone is what a run leaves that was killed at the start.
    """
    if is_ours or not out.exists():
        return
    if not out.is_dir() or any(path.name != WORKSPACE for path in out.iterdir()):
        raise InputRefused(
            f"the folder holds something that is no {kind}", where=out, remedy="choose another --out, or empty it"
        )


def lock_file(folder: Path) -> Path:
    """Return the file that whoever works in a folder holds (see `storage.lock`)."""
    return folder / WORKSPACE / "lock"


def place_aside(out: Path) -> Path:
    """Return where a finished folder waits until the one that replaces it is whole."""
    return out.with_name(f"{out.name}.replaced")


def set_aside(out: Path, *, is_ours: Callable[[Path], bool]) -> None:
    """Let a finished folder wait where `place_aside` says, without its workspace; what waited there before is dropped.

    `is_ours` tells whether a folder is a finished one of this kind. Needs the lock of `out`, which is gone afterwards.
    """
    aside = place_aside(out)
    if is_ours(aside):
        shutil.rmtree(aside)
    out.rename(aside)
    shutil.rmtree(aside / WORKSPACE)


def empty_folder(folder: Path, *, but: tuple[str, ...]) -> None:
    """Delete everything in a folder but the entries of these names; a link is deleted, not what it leads to."""
    for path in folder.iterdir():
        if path.name in but:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
