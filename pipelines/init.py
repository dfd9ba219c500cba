"""`curate init`: a commented configuration of the loop, to start from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from curation.errors import InputRefused
from curation.files import make_folder, write_durable
from pipelines.options import Result, RunOptions, setting

EXAMPLE: Final = Path(__file__).with_name("loop_example.yaml")


@dataclass(frozen=True, slots=True, kw_only=True)
class InitFlags:
    """Where the file goes."""

    out: Path = setting("The YAML file to write.", default=Path("loop.yaml"))


def init(settings: InitFlags, *, run: RunOptions) -> Result:
    """Write a commented configuration of the loop: data, labels, training, gate, report and calendar.

    A file that is there is left as it is, unless --overwrite is given.

    \b
    Example:  curate init --out loop.yaml
    """
    written = write_example(EXAMPLE, out=settings.out, run=run)
    lines = [f"{written}: a configuration of the loop", "  name your data in it, then: curate retrain --config FILE"]
    data = {"command": "init", "out": str(settings.out), "dry_run": run.dry_run}
    return Result(summary="\n".join(lines), data=data)


def write_example(example: Path, *, out: Path, run: RunOptions) -> str:
    """Write a copy of an example to `out`, and give what to call it. Raises InputRefused where another file is."""
    text = example.read_bytes()
    is_there = out.exists()
    if is_there and not run.overwrite and (not out.is_file() or out.read_bytes() != text):
        raise InputRefused(
            "the file is there, and is not written over", where=out, remedy="choose another, or give --overwrite"
        )
    if run.dry_run:
        return f"{out} (dry run, nothing is written)"
    make_folder(out.parent)
    write_durable(out, text)
    return str(out)
