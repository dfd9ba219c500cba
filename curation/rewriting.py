"""Change a finished dataset in place: under its lock, and so that a kill at any moment leaves the old one or the new.

Card and manifest are two files, so the old card is kept aside until the new manifest stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pyarrow as pa

from curation.card import CARD, QUARANTINE, Card
from curation.dataset import MANIFEST, Dataset, read_dataset, write_dataset
from curation.files import fingerprint_file, flush_filesystem, make_folder, write_durable
from curation.lock import exclusive
from curation.quarantine import QuarantineRecord
from curation.workspace import WORKSPACE

BEFORE: Final = "before"
"""The folder in the workspace that keeps card and quarantine of the old dataset during a change."""
MARK: Final = "manifest.sha256"
"""Written last and deleted first, so that what is kept aside counts only when it is whole."""


@contextmanager
def rewriting(folder: Path) -> Iterator[Dataset]:
    """Hold a finished dataset while the block changes it, and give it as it is now.

    A change that was killed half-way is taken back first. Raises InputRefused when there is no dataset,
    EnvironmentProblem when another run is at work in it.
    """
    read_dataset(folder)
    workspace = folder / WORKSPACE
    try:
        with exclusive(workspace / "lock"):
            _settle(folder)
            try:
                yield read_dataset(folder)
            finally:
                _settle(folder)
    finally:
        with suppress(OSError):  # another run may have come into it already
            workspace.rmdir()


def replace_dataset(folder: Path, *, card: Card, table: pa.Table, quarantine: Iterable[QuarantineRecord]) -> Card:
    """Put new card, manifest and quarantine in place of the old ones, inside `rewriting`; give the card as written."""
    before = folder / WORKSPACE / BEFORE
    make_folder(before)
    flush_filesystem(folder)
    for name in (CARD, QUARANTINE):
        write_durable(before / name, (folder / name).read_bytes())
    write_durable(before / MARK, fingerprint_file(folder / MANIFEST).encode())
    written = write_dataset(folder, card=card, table=table, quarantine=quarantine)
    (before / MARK).unlink()
    return written


def _settle(folder: Path) -> None:
    """Take an unfinished change back: where the old manifest still stands, its card and quarantine return."""
    before = folder / WORKSPACE / BEFORE
    if not before.is_dir():
        return
    mark = before / MARK
    if mark.exists() and mark.read_text() == fingerprint_file(folder / MANIFEST):
        for name in (QUARANTINE, CARD):
            write_durable(folder / name, (before / name).read_bytes())
    for path in (mark, *before.iterdir()):
        path.unlink(missing_ok=True)
    before.rmdir()
