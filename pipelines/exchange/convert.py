"""`curate convert`: a data set in the form of another tool."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import pyarrow as pa

from curation.dataset.card import KEPT, QUARANTINE
from curation.dataset.dataset import Dataset, read_dataset
from curation.errors import ConfigurationProblem
from curation.exchange.convert_dataset import COMMAND, ConvertOptions, convert_dataset, sets_of
from curation.exchange.converted_folder import Told
from curation.exchange.form import UNLABELLED, Form
from curation.exchange.travelling import Rules
from pipelines.command_line.options import Result, RunOptions, setting
from pipelines.command_line.progress import progress_bar
from pipelines.sources.make_dataset import count_lines

To = Literal["coco", "voc", "folders", "tfrecord", "webdataset", "hf"]
ITEM_TIMEOUT_S: Final = 60.0
DEFAULT_SHARD: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertFlags:
    """What to convert, and into what."""

    dataset: Path = setting("The data set to convert.", positional=True, metavar="D")
    to: To = setting("The form to write.")
    out: Path = setting("Folder to make.", metavar="DIR")
    shard_samples: int = setting(
        "Samples that share a file, of tfrecord, webdataset and hf.", default=DEFAULT_SHARD, metavar="N"
    )
    png: bool = setting(
        "Write every image as PNG, upright and in sRGB; else JPEG, PNG and WebP files travel as they are.",
        default=False,
    )


def convert(settings: ConvertFlags, *, run: RunOptions) -> Result:
    """Write a data set in another tool's form, lossless: masks to the pixel, images byte by byte.

    coco: run lengths, a file for each split. voc: person 15, not labelled 255. folders: img, mask, alpha and trimap,
    with JSON lists. tfrecord: DeepLab's features, person 1, not labelled 255. webdataset: tar shards. hf: parquet with
    Image features. Images that EXIF turns, of inks or of 16 bits are written upright as PNG, since readers disagree on
    them. What a form cannot hold stands beside it in curate.parquet, and comes back with `curate coco-person`, `pairs`
    and `hf`.
    Samples without a mask are a set of their own, `unlabelled`.

    \b
    Example:  curate convert portraits --to coco --out portraits-coco
    """
    dataset = read_dataset(settings.dataset)
    form = _form_of(settings, dataset=dataset)
    if run.dry_run:
        return _told_before(settings, dataset=dataset, limit=run.limit)
    total = len(dataset) if run.limit is None else min(run.limit, len(dataset))
    with progress_bar(COMMAND, total=total, run=run) as show:
        options = ConvertOptions(
            runner=replace(run.runner, item_timeout_s=ITEM_TIMEOUT_S),
            overwrite=run.overwrite,
            max_quarantine=run.max_quarantine,
            progress=show,
        )
        told = convert_dataset(dataset, form=form, limit=run.limit, out=settings.out, options=options)
    return _result(told, form=form, out=settings.out)


def _form_of(settings: ConvertFlags, *, dataset: Dataset) -> Form:
    """Return the form, which is imported only now: each needs libraries of its own."""
    if settings.shard_samples < 1:
        reason = f"--shard-samples {settings.shard_samples} would put nothing into a file"
        raise ConfigurationProblem(reason, remedy="give 1 or more")
    form = _plain_form(settings.to, samples=settings.shard_samples, schema=dataset.table.schema)
    changed: Form = replace(form, rules=Rules(kept=form.rules.kept, as_png=settings.png))  # type: ignore[type-var]
    return changed


def _plain_form(name: To, *, samples: int, schema: pa.Schema) -> Form:
    match name:
        case "coco":
            from curation.exchange.forms.coco import Coco

            return Coco()
        case "voc":
            from curation.exchange.forms.voc import Voc

            return Voc()
        case "folders":
            from curation.exchange.forms.folders import Folders

            return Folders()
        case "tfrecord":
            from curation.exchange.forms.tfrecord import TfRecord

            return TfRecord(samples_per_part=samples)
        case "webdataset":
            from curation.exchange.forms.webdataset import WebDataset

            return WebDataset(samples_per_part=samples)
        case "hf":
            from curation.exchange.forms.hf import HuggingFace

            columns = tuple(zip(schema.names, schema.types, strict=True))
            return HuggingFace(samples_per_part=samples, columns=columns)


def _result(told: Told, *, form: Form, out: Path) -> Result:
    counts = told.counts
    way_back = form.way_back(out, sets=told.sets)
    lines = [f"{out}: {counts.selected} samples as {told.form}", *count_lines(counts, records={})]
    lines.append(f"  sets         {', '.join(f'{name} {number}' for name, number in told.sets.items()) or 'none'}")
    if told.turned:
        why = "turned by EXIF, of inks, of 16 bits, WebP where readers lack it, or --png"
        lines.append(f"  written anew {told.turned:>8}   images, as PNG: {why}")
    if counts.quarantined:
        lines.append(f"  each line with its reason: {out / QUARANTINE}")
    if not told.is_new:
        lines.append("  nothing to do: this was converted before; --overwrite does it again")
    lines.append(f"  what the form cannot hold: {out / KEPT}")
    lines.append(f"  back in: {way_back or 'no command reads this form'}")
    data: dict[str, Any] = {
        "command": COMMAND,
        "out": str(out),
        "form": told.form,
        "run": told.run,
        "counts": msgspec.to_builtins(counts),
        "sets": told.sets,
        "written_anew": told.turned,
        "way_back": way_back or None,
        "is_new": told.is_new,
    }
    return Result.of(lines, data, set_aside=counts.quarantined, warnings=_warnings(told))


def _warnings(told: Told) -> tuple[str, ...]:
    without = told.sets.get(UNLABELLED, 0)
    if not without:
        return ()
    told_of = f"{without} of {told.counts.selected} samples have no mask"
    return (f"{told_of}; they are the set {UNLABELLED}, apart from the others",)


def _told_before(settings: ConvertFlags, *, dataset: Dataset, limit: int | None) -> Result:
    table = dataset.table.sort_by("id").slice(0, limit)
    sets = {name: len(ids) for name, ids in sorted(sets_of(table).items())}
    left_out = {"limit": len(dataset) - len(table)} if len(table) < len(dataset) else {}
    counts = {"considered": len(dataset), "selected": len(table), "filtered": left_out, "quarantined": {}}
    data = {"command": COMMAND, "out": str(settings.out), "form": settings.to, "dry_run": True}
    told = ", ".join(f"{name} {number}" for name, number in sets.items())
    line = f"{settings.out}: would hold {len(table)} samples as {settings.to}, if every file is sound: {told or 'none'}"
    return Result.of([f"{line} (dry run, nothing is written)"], data | {"counts": counts, "sets": sets})
