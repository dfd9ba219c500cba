"""`curate init`: a commented configuration to start from, with the schema by which editors check it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from curation.errors import InputRefused
from curation.storage.files import make_folder, write_durable
from pipelines.command_line.options import Result, RunOptions, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class InitFlags:
    """What the file is for, and where it goes."""

    kind: Literal["loop", "stages", "alpha"] = setting(
        "loop: for `curate retrain` and `schedule`; stages: for `curate train --config`; alpha: the same, of a network "
        "that gives alphas.",
        default="loop",
    )
    out: Path | None = setting("The YAML file to write.  [default: KIND.yaml]", default=None)


def init(settings: InitFlags, *, run: RunOptions) -> Result:
    """Write a commented configuration: of the loop (data, labels, training, gate, report, calendar) or of a training.

    Beside it goes its JSON Schema, KIND.schema.json, which the first line of the file names: editors that know YAML
    (VS Code, Neovim, PyCharm and others) then complete keys and mark mistakes. An existing file is left as it is,
    unless --overwrite is given.

    \b
    Examples:
      curate init --out loop.yaml
      curate init --kind stages --out stages.yaml
    """
    from pipelines.loop.file_schemas import (
        ALPHA_EXAMPLE,
        LOOP_EXAMPLE,
        STAGES_EXAMPLE,
        example_files,
        loop_schema,
        stages_schema,
    )

    out = settings.out or Path(f"{settings.kind}.yaml")
    if settings.kind == "loop":
        files = example_files(LOOP_EXAMPLE, schema=loop_schema(), out=out)
        lines = ["a configuration of the loop", "  name your data in it, then: curate retrain --config FILE"]
    else:
        example = ALPHA_EXAMPLE if settings.kind == "alpha" else STAGES_EXAMPLE
        files = example_files(example, schema=stages_schema(), out=out)
        lines = ["a training in stages", "  name your data in it, then: curate train --config FILE --out RUN"]
    summary = f"{write_example(files, out=out, run=run)}: " + "\n".join(lines)
    data = {"command": "init", "out": str(out), "files": [str(file) for file in files], "dry_run": run.dry_run}
    return Result(summary=summary, data=data)


def write_example(files: Mapping[Path, bytes], *, out: Path, run: RunOptions) -> str:
    """Write the files of an example, and return what to call it. Raises InputRefused where other files are."""
    for file, data in files.items():
        if file.exists() and not run.overwrite and (not file.is_file() or file.read_bytes() != data):
            raise InputRefused(
                "the file exists, and is not overwritten", where=file, remedy="choose another, or give --overwrite"
            )
    if run.dry_run:
        return f"{out} (dry run, nothing is written)"
    make_folder(out.parent)
    for file, data in files.items():
        write_durable(file, data)
    return str(out)
