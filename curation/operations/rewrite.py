"""Change a finished dataset in place, under its lock; `write_dataset` leaves the old one or the new, never a mix."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from curation.dataset.dataset import Dataset, read_dataset
from curation.dataset.manifest_files import settle_card
from curation.storage.claimed_folder import lock_file
from curation.storage.lock import exclusive


@contextmanager
def rewriting(folder: Path) -> Iterator[Dataset]:
    """Hold a finished dataset while the block changes it, and give it as it is now; an earlier change is settled first.

    Raises InputRefused when there is no dataset, EnvironmentProblem when another run is at work in it.
    """
    read_dataset(folder)
    with exclusive(lock_file(folder)):
        settle_card(folder)
        yield read_dataset(folder)
