"""The folder of an evaluation: whether it may be used, its lock, unfinished work, and what --overwrite replaces.

`metrics.json` is written last: a folder that has one is whole, and the `run` in it says of which model, data and
settings it is. Unfinished work lies in `.curate/<run>`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from curation.errors import InputRefused
from curation.storage.claimed_folder import WORKSPACE, empty_folder, lock_file, place_aside, refuse_foreign, set_aside
from curation.storage.files import make_folder, telling_where, write_durable
from curation.storage.lock import exclusive

METRICS: Final = "metrics.json"


def finished_metrics(out: Path, *, run: str) -> dict[str, Any] | None:
    """Return `metrics.json` when `out` is the finished evaluation of this very run, None when it is still to be made.

    Raises InputRefused when `out` holds anything else.
    """
    if not (out / METRICS).exists():
        _refuse_foreign(out)
        return None
    try:
        metrics: dict[str, Any] = json.loads((out / METRICS).read_bytes())
        found, model = metrics["run"], metrics["model"]["name"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputRefused(
            f"damaged: {error}",
            where=out / METRICS,
            remedy="give --overwrite to evaluate again, or choose another --out",
        ) from error
    if found != run:
        raise InputRefused(
            f"the folder holds an evaluation of {model}, with another model, data or settings",
            where=out,
            remedy="choose another --out, or give --overwrite to replace it",
        )
    return metrics


@contextmanager
def evaluating_in(out: Path, *, run: str, overwrite: bool) -> Iterator[Path]:
    """Hold `out` for one run and give the folder for its unfinished work, which is gone when the block has ended.

    With `overwrite` a finished evaluation is kept aside until the new one is whole, and unfinished work of another run
    is dropped. Raises InputRefused when `out` holds something else, EnvironmentProblem when another run is in it.
    """
    _refuse_foreign(out)
    with telling_where(out):
        if overwrite:
            with exclusive(lock_file(out)):
                _make_way(out, run=run)
        with exclusive(lock_file(out)):
            if _works_of_others(out, run=run):
                raise InputRefused(
                    "the folder holds the unfinished evaluation of another model, data or settings",
                    where=out,
                    remedy="run that command again to finish it, choose another --out, or give --overwrite",
                )
            work = out / WORKSPACE / run
            make_folder(work, below=out)
            yield work
            shutil.rmtree(work)
        if overwrite and _is_evaluation(place_aside(out)):
            shutil.rmtree(place_aside(out))


def write_metrics(out: Path, *, metrics: Mapping[str, Any]) -> None:
    """Write `metrics.json`: the evaluation is whole."""
    text = json.dumps(metrics, ensure_ascii=False, indent=2, allow_nan=False)
    write_durable(out / METRICS, f"{text}\n".encode())


def _refuse_foreign(out: Path) -> None:
    refuse_foreign(out, kind="evaluation", is_ours=_is_evaluation(out) or (out / WORKSPACE).is_dir())


def _make_way(out: Path, *, run: str) -> None:
    """Set a finished evaluation aside, and drop unfinished work of another run. Needs the lock."""
    if _is_evaluation(out):
        set_aside(out, is_ours=_is_evaluation)
    elif _works_of_others(out, run=run):
        empty_folder(out, but=(WORKSPACE,))
        for work in _works_of_others(out, run=run):
            shutil.rmtree(work)


def _works_of_others(out: Path, *, run: str) -> list[Path]:
    return [path for path in (out / WORKSPACE).iterdir() if path.is_dir() and path.name != run]


def _is_evaluation(out: Path) -> bool:
    return (out / METRICS).is_file()
