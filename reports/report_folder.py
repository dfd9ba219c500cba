"""The folder of a report: whether it may be used, its lock, and the place where work is kept between runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from curation.errors import InputRefused
from curation.files import make_folder, telling_where
from curation.lock import exclusive

WORKSPACE: Final = ".curate"


@contextmanager
def reporting_in(out: Path, *, kind: str) -> Iterator[Path]:
    """Hold `out` for one report, and give the folder in it where its work is kept: a new report replaces the old one.

    Raises InputRefused when `out` holds something else, EnvironmentProblem when another run is at work in it.
    """
    refuse_foreign(out, kind=kind)
    with telling_where(out), exclusive(out / WORKSPACE / "lock"):
        work = work_folder(out, kind=kind)
        make_folder(work, below=out)
        yield work


def refuse_foreign(out: Path, *, kind: str) -> None:
    """Raise InputRefused when a folder holds something that is no report of this kind."""
    is_ours = work_folder(out, kind=kind).is_dir()
    if out.exists() and not is_ours and (not out.is_dir() or _holds_something(out)):
        raise InputRefused(
            f"the folder holds something that is no report of `curate {kind}`",
            where=out,
            remedy="choose another --out, or empty it",
        )


def _holds_something(out: Path) -> bool:
    """Tell whether a folder holds more than the lock of a run that was killed at its beginning."""
    lock = out / WORKSPACE / "lock"
    return any(path not in (lock, lock.parent) for path in out.rglob("*"))


def work_folder(out: Path, *, kind: str) -> Path:
    """Give where the work for a report is kept between runs; without it, the next run takes longer."""
    return out / WORKSPACE / kind
