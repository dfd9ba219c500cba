"""The output folder of a run: whether it may be used, its lock, its journal, and what --overwrite replaces."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow.compute as pc

from curation.building.shards import SETTING, drop_packed
from curation.building.sorted_rows import drop_rows
from curation.dataset.card import CARD, FORMAT, QUARANTINE, Card
from curation.dataset.dataset import read_dataset
from curation.dataset.manifest_files import MANIFEST, is_dataset, stored_card
from curation.dataset.parts import PARTS
from curation.dataset.sample import Outcome
from curation.errors import CurateError, EnvironmentProblem, InputRefused
from curation.storage.claimed_folder import WORKSPACE, empty_folder, lock_file, place_aside, refuse_foreign
from curation.storage.files import make_folder
from curation.storage.journal import Journal
from curation.storage.lock import exclusive


def finished_card(out: Path, *, run: str) -> Card | None:
    """Return the card when `out` is the finished dataset of this very run, None when it is still to be made.

    Raises InputRefused when `out` holds anything else, EnvironmentProblem when another run is at work in it.
    """
    if (out / WORKSPACE).is_dir():
        with exclusive(lock_file(out)):
            _tidy(out)
    if is_dataset(out):
        card = read_dataset(out).card
        if card.run == run:
            return card
        raise InputRefused(
            f"the folder holds a dataset made by `curate {card.command}` with other settings or sources",
            where=out,
            remedy="choose another --out, or give --overwrite to replace it",
        )
    _refuse_other(out)
    return None


@contextmanager
def working_in(out: Path, *, run: str, overwrite: bool) -> Iterator[Journal[Outcome]]:
    """Hold `out` for one run and give its journal; afterwards the workspace is gone.

    With `overwrite` a finished dataset is kept aside until the new one is whole, and unfinished work of another run
    is dropped. Work of this run continues where it was. Work of another run that
    made no sample yet, or was refused since too much was broken, is in nobody's way.
    """
    out = out.resolve() if out.is_symlink() else out  # a link would be moved aside where its folder is meant
    if overwrite:
        _refuse_other(out)
        with exclusive(lock_file(out)):
            _make_way(out, run=run)
    with exclusive(lock_file(out)):
        if is_dataset(out):
            raise EnvironmentProblem(
                "another run made a dataset here a moment ago", where=out, remedy="run the same command again"
            )
        yield _journal(out, run=run)
        _tidy(out)
    if overwrite:
        _drop(place_aside(out))


def refuse_inputs(inputs: Sequence[Path], *, out: Path) -> None:
    """Raise InputRefused where `out` is, or holds, what is read: --overwrite would delete it."""
    for path in inputs:
        if path.resolve().is_relative_to(out.resolve()):
            reason = (
                "this folder is read" if path.resolve() == out.resolve() else f"this folder holds {path}, which is read"
            )
            raise InputRefused(reason, where=out, remedy="choose another --out")


def _journal(out: Path, *, run: str) -> Journal[Outcome]:
    journal = Journal(_journal_file(out), kind=Outcome)
    try:
        journal.start(run_id=_of_format(run))
    except ValueError as error:
        was_refused = (out / QUARANTINE).exists() and not (out / CARD).exists()
        if not was_refused and any(outcome.sample is not None for outcome in journal.outcomes()):
            raise InputRefused(
                "the folder holds the unfinished work of another command, or of other settings or sources",
                where=out,
                remedy="run that command again to finish it, choose another --out, or give --overwrite to start again",
            ) from error
        _forget(out)
        journal.start(run_id=_of_format(run))
    return journal


def _of_format(run: str) -> str:
    """Return the id of a journal: rows of an older form are no part of a dataset of today's."""
    return f"{run} format {FORMAT}"


def _forget(out: Path) -> None:
    """Delete unfinished work."""
    empty_folder(out, but=(WORKSPACE,))
    _journal_file(out).unlink()  # last, since it tells that the folder is ours


def _refuse_other(out: Path) -> None:
    is_ours = is_dataset(out) or (out / WORKSPACE).is_dir()
    refuse_foreign(out, kind="dataset", is_ours=is_ours)


def _tidy(out: Path) -> None:
    """Drop the journal of a finished dataset, and what is in shards; a run that was killed in its last step left them.

    Needs the lock.
    """
    if is_dataset(out):
        journal = _journal_file(out)
        if journal.exists() and stored_card(out).settings.get(SETTING):
            drop_packed(Journal(journal, kind=Outcome).outcomes(), out=out)
        journal.unlink(missing_ok=True)
        drop_rows(rows_folder(out))


def _make_way(out: Path, *, run: str) -> None:
    if is_dataset(out):
        aside = place_aside(out)
        _drop(aside)
        if aside.exists():
            raise InputRefused(
                "holds labels drawn by a person, kept by an earlier --overwrite",
                where=aside,
                remedy="move that folder away, or delete it; then run the same command again",
            )
        out.rename(aside)
        lock_file(aside).unlink(missing_ok=True)
        with suppress(OSError):
            (aside / WORKSPACE).rmdir()
    elif _journal_file(out).exists():
        try:
            Journal(_journal_file(out), kind=Outcome).start(run_id=_of_format(run))
        except ValueError:
            _forget(out)


def _drop(aside: Path) -> None:
    """Delete a replaced dataset, unless it holds labels that a person drew, or cannot be read."""
    if not aside.is_dir():
        return
    if {path.name for path in aside.iterdir()} - {MANIFEST, PARTS}:
        try:
            versions = read_dataset(aside).read(["label_version"])["label_version"]
        except CurateError:
            return
        if len(versions) > 0 and pc.max(versions).as_py() != 0:
            return
        # Card and manifest last: what a kill leaves of the folder is still known as a dataset to drop
        empty_folder(aside, but=(CARD, MANIFEST, PARTS))
        (aside / CARD).unlink()
    shutil.rmtree(aside)


def rows_folder(out: Path) -> Path:
    """Return where rows wait while a dataset is published."""
    return out / WORKSPACE / "rows"


def _journal_file(out: Path) -> Path:
    return out / WORKSPACE / "journal.jsonl"


def make_folders(out: Path, names: tuple[str, ...]) -> None:
    """Make the sub-folders that a command writes to; raises InputRefused where a link would lead elsewhere."""
    for name in names:
        make_folder(out / name, below=out)
