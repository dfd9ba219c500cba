"""The folder that a command makes: whether it may be used, its lock, and where it waits while it is replaced."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from curation.errors import InputRefused
from curation.sequences import batched
from curation.storage.files import telling_where
from curation.storage.lock import exclusive
from curation.storage.text_set import TextSet

WORKSPACE: Final = ".curate"
"""The folder inside it that holds its lock and unfinished work."""
NAMES_AT_ONCE: Final = 8192


@contextmanager
def claimed(
    out: Path, *, kind: str, mark: str, others: Callable[[Path], Sequence[Path]], overwrite: bool
) -> Iterator[Path]:
    """Hold a folder for one run, and give its place, with a link followed.

    A folder with the file `mark` is a whole one of its `kind`. With `overwrite` it is kept aside until the new one is
    whole, and the unfinished work of other runs, of which `others` tells the files and folders, is dropped.
    Raises InputRefused when it holds something else, or such work; EnvironmentProblem when another run is in it.
    """
    out = out.resolve() if out.is_symlink() else out  # a link would be moved aside where its folder is meant
    refuse_foreign(out, kind=kind, is_ours=(out / mark).is_file() or (out / WORKSPACE).is_dir())
    with telling_where(out):
        if overwrite:
            with exclusive(lock_file(out)):
                _make_way(out, mark=mark, others=others)
        with exclusive(lock_file(out)):
            if others(out):
                raise InputRefused(
                    f"the folder holds an unfinished {kind} of other data, or with other settings",
                    where=out,
                    remedy="run that command again to finish it, choose another --out, or give --overwrite",
                )
            yield out
        if overwrite and (place_aside(out) / mark).is_file():
            shutil.rmtree(place_aside(out))


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


def empty_folder(folder: Path, *, but: tuple[str, ...]) -> None:
    """Delete everything in a folder but the entries of these names; a link is deleted, not what it leads to."""
    for path in folder.iterdir():
        if path.name not in but:
            _delete(path)


def delete_others(folder: Path, *, kept: TextSet) -> None:
    """Delete the files of a folder whose name is not among these: half-written ones of a killed run, and others."""
    with os.scandir(folder) as entries:
        for some in batched((entry.name for entry in entries), size=NAMES_AT_ONCE):
            for name, is_kept in zip(some, kept.known(some), strict=True):
                if not is_kept:
                    (folder / name).unlink()


def _make_way(out: Path, *, mark: str, others: Callable[[Path], Sequence[Path]]) -> None:
    """Let a whole folder wait where `place_aside` says, and drop unfinished work of other runs. Needs the lock."""
    if (out / mark).is_file():
        aside = place_aside(out)
        if (aside / mark).is_file():
            shutil.rmtree(aside)
        out.rename(aside)
        shutil.rmtree(aside / WORKSPACE)
    elif works := others(out):
        empty_folder(out, but=(WORKSPACE,))
        for work in works:
            _delete(work)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
