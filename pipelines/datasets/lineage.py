"""`curate lineage`: everything that was made from a photograph, or several, and datasets without it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec

from curation.dataset.dataset import Dataset, read_dataset
from curation.errors import ConfigurationProblem
from curation.operations.lineage import Descendant, photographs, trace, without
from curation.operations.merge import plan_merge, refuse_own_output
from pipelines.command_line.options import Result, RunOptions, setting
from pipelines.sources.make_dataset import make_dataset

ROWS_SHOWN: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageFlags:
    """Which photographs, and where to look for them."""

    datasets: tuple[Path, ...] = setting("The datasets to look in.", positional=True, metavar="D...")
    of: tuple[str, ...] = setting(
        "An id, an id in its source, or the SHA-256 of an image; give it again for more.", metavar="ID"
    )
    out: Path | None = setting(
        "Make a dataset of all other samples of D (one dataset) here.", default=None, metavar="D2"
    )


def lineage(settings: LineageFlags, *, run: RunOptions) -> Result:
    """List what was made from a photograph: itself, its copies and relabelled versions, and fused samples that show it.

    ID may name the sample, or any photograph that fused samples show. Copies are those that `curate duplicates --fix`
    found. To remove photographs from a dataset give --out: everything else is linked into a new dataset.

    \b
    Example:  curate lineage portraits fused --of 0001
              curate lineage fused --of 0001 --out fused-without
    """
    datasets = [read_dataset(folder) for folder in settings.datasets]
    found = trace(datasets, names=settings.of)
    result = _listed(found, datasets=datasets, names=settings.of)
    if settings.out is None:
        return result
    if len(datasets) != 1:
        raise ConfigurationProblem(
            f"--out takes one dataset - {len(datasets)} are named", remedy="run the command once for each dataset"
        )
    refuse_own_output(datasets, out=settings.out)
    plan = plan_merge(datasets, query=without(found, dataset=datasets[0]), limit=run.limit)
    made = make_dataset(plan, out=settings.out, run=run)
    data = result.data | {"made": made.data}
    return replace(made, summary=f"{result.summary}\n{made.summary}", data=data, warnings=result.warnings)


def _listed(found: list[Descendant], *, datasets: list[Dataset], names: Sequence[str]) -> Result:
    called, flags = ", ".join(names), " ".join(f"--of {shlex.quote(name)}" for name in names)
    lines = [f"{called}: {len(found)} samples show {'it' if len(names) == 1 else 'them'}"]
    for dataset in datasets:
        here = [one for one in found if one.dataset == str(dataset.folder)]
        made = f"curate {dataset.card.command}" + (f" of {', '.join(dataset.card.parents)}" if here else "")
        lines.append(f"  {dataset.folder}: {len(here)} of {len(dataset)}, made by {made}".removesuffix(" of "))
        lines += [f"    {one.id}  {_told(one)}" for one in here[:ROWS_SHOWN]]
        if len(here) > ROWS_SHOWN:
            lines.append(f"    ... {len(here) - ROWS_SHOWN} more; --json lists all")
        if here:
            lines.append(f"    without them: curate lineage {dataset.folder} {flags} --out D2")
    meant = photographs(found)
    several = f"{called}: {len(meant)} photographs; to choose one give its SHA-256: {', '.join(h[:12] for h in meant)}"
    data = {
        "command": "lineage",
        "of": list(names),
        "photographs": meant,
        "samples": msgspec.to_builtins(found),
        "keep": {str(dataset.folder): without(found, dataset=dataset) for dataset in datasets},
    }
    return Result.of(lines, data, warnings=(several,) if len(meant) > len(names) else ())


def _told(one: Descendant) -> str:
    version = f"label version {one.label_version}" if one.label_version else ""
    parts = (one.shown, one.source or "", one.split or "no split", version)
    return ", ".join(part for part in parts if part)
