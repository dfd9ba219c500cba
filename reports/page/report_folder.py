"""The folder of a report: whether it may be used, its lock, and the place where work is kept between runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from curation.storage.claimed_folder import WORKSPACE, lock_file, refuse_foreign
from curation.storage.files import make_folder, telling_where
from curation.storage.lock import exclusive


@contextmanager
def reporting_in(out: Path, *, kind: str) -> Iterator[Path]:
    """Hold `out` for one report, and give the folder in it where its work is kept: a new report replaces the old one.

    Raises InputRefused when `out` holds something else, EnvironmentProblem when another run is at work in it.
    """
    refuse_other_report(out, kind=kind)
    with telling_where(out), exclusive(lock_file(out)):
        work = work_folder(out, kind=kind)
        make_folder(work, below=out)
        yield work


def refuse_other_report(out: Path, *, kind: str) -> None:
    """Raise InputRefused when a folder holds something that is no report of this kind."""
    refuse_foreign(out, kind=f"report of `curate {kind}`", is_ours=work_folder(out, kind=kind).is_dir())


def work_folder(out: Path, *, kind: str) -> Path:
    """Return where the work for a report is kept between runs; without it, the next run takes longer."""
    return out / WORKSPACE / kind
