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
    out, text = settings.out, EXAMPLE.read_bytes()
    is_there = out.exists()
    if is_there and not run.overwrite and (not out.is_file() or out.read_bytes() != text):
        raise InputRefused(
            "the file is there, and is not written over", where=out, remedy="choose another --out, or give --overwrite"
        )
    if not run.dry_run:
        make_folder(out.parent)
        write_durable(out, text)
    told = " (dry run, nothing is written)" if run.dry_run else ""
    lines = [f"{out}: a configuration of the loop{told}", "  name your data in it, then: curate retrain --config FILE"]
    return Result(summary="\n".join(lines), data={"command": "init", "out": str(out), "dry_run": run.dry_run})
