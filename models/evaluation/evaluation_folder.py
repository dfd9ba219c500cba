"""The folder of an evaluation: whether it may be used, its lock, unfinished work, and what --overwrite replaces.

`metrics.json` is written last: a folder that has one is whole, and the `run` in it says of which model, data and
settings it is. Unfinished work lies in `.curate/<run>`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from curation.errors import InputRefused
from curation.remote.places import told
from curation.storage.claimed_folder import WORKSPACE, claimed, refuse_foreign
from curation.storage.files import make_folder, write_durable

KIND: Final = "evaluation"
METRICS: Final = "metrics.json"


def finished_metrics(out: Path, *, run: str) -> dict[str, Any] | None:
    """Return `metrics.json` when `out` is the finished evaluation of this very run, None when it is still to be made.

    Raises InputRefused when `out` holds anything else.
    """
    if not (out / METRICS).exists():
        refuse_foreign(out, kind=KIND, is_ours=(out / WORKSPACE).is_dir())
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

    Raises what `claimed` does.
    """
    others = partial(_works_of_others, run=run)
    with claimed(out, kind=KIND, mark=METRICS, others=others, overwrite=overwrite) as out:
        work = out / WORKSPACE / run
        make_folder(work, below=out)
        yield work
        shutil.rmtree(work)


def write_metrics(out: Path, *, metrics: Mapping[str, Any]) -> None:
    """Write `metrics.json`: the evaluation is whole."""
    text = json.dumps(metrics, ensure_ascii=False, indent=2, allow_nan=False)
    write_durable(out / METRICS, told(f"{text}\n").encode())


def _works_of_others(out: Path, *, run: str) -> list[Path]:
    return [path for path in (out / WORKSPACE).iterdir() if path.is_dir() and path.name != run]
