"""`curate label push`: samples of a dataset to annotators."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click
import msgspec
import numpy as np

from labeling.selection.select import Prefill, Strategy
from pipelines.command_line.options import Result, RunOptions, setting
from pipelines.command_line.progress import progress_bar
from pipelines.labels.server import PATIENCE, PROJECT, SERVER_FOLDER, connected, project_title, unread_warnings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from curation.dataset.dataset import Dataset
    from labeling.label_tools.label_studio.project.golden import Golden
    from labeling.label_tools.label_studio.push.push import Push, Pushed

SHOWN: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class PushFlags:
    """What to push, to which project, and what the annotators see."""

    dataset: Path = setting("The dataset to push, such as that of `curate mine`.", positional=True, metavar="D")
    project: str | None = setting(PROJECT, default=None, metavar="NAME")
    scores: Path | None = setting(
        "Folder of `curate evaluate` with scores and predictions.  [default: the dataset's own]",
        default=None,
        metavar="DIR",
    )
    prefill: Prefill = setting(
        "The mask to start from, beside the outline of the other; auto is the label, and the prediction where there is "
        "no label, or a label_error on which two models agree.",
        default="auto",
    )
    budget: int | None = setting("Push at most this many samples, the first of --select.", default=None, metavar="N")
    select: Strategy = setting(
        "Which come first, after those tagged relabel: threshold, by mIoU, the worst; uncertainty; verdict, what looks "
        "like a wrong label; views, those that the model sees most differently when mirrored or shrunk; diverse; "
        "mixed, 30 % diverse; random.",
        default="threshold",
    )
    where: str | None = setting("Push only rows for which this pandas query holds.", default=None, metavar="QUERY")
    ids: Path | None = setting(
        "Push the samples whose ids are in this file, one per line, in this order.", default=None, metavar="FILE"
    )
    golden: int = setting("Number of known masks to mix in, to score the annotators.", default=0, metavar="N")
    golden_from: Path | None = setting(
        "Dataset of the known masks.  [default: samples of D that are not pushed]", default=None, metavar="D2"
    )
    images: Literal["auto", "local", "upload", "url"] = setting(
        "How pictures reach the browser: a folder of our own server, an upload, or addresses of your own.",
        default="auto",
    )
    image_url: str = setting(
        "With --images url: the start of the address of each picture, such as s3://bucket/D/.", default=""
    )
    model_version: str | None = setting(
        "Name of the model whose prediction is offered.  [default: from the scores]", default=None
    )
    folder: Path | None = setting(SERVER_FOLDER, default=None, metavar="DIR")
    patience: float = setting(PATIENCE, default=60.0, metavar="S")

    def __post_init__(self) -> None:
        """Refuse what can do nothing."""
        if (self.images == "url") != bool(self.image_url):
            raise click.UsageError("--images url and --image-url belong together")
        if self.golden < 0 or (self.budget is not None and self.budget < 1) or self.patience < 0:
            raise click.UsageError("--golden and --patience must not be negative, --budget is at least 1")
        if self.ids is not None and (self.select != "threshold" or self.budget is not None):
            raise click.UsageError(
                "--ids says which samples, and in which order; --select and --budget say it otherwise"
            )


def push(settings: PushFlags, *, run: RunOptions) -> Result:
    """Send samples to Label Studio, the worst first, each with a mask to start from.

    A sample that is already in the project is not sent again, whichever machine sent it. So the same command sends
    what is new, or continues where it was stopped. Pictures are sent without EXIF, upright as displayed.

    \b
    Example:  curate label push hard-cases --budget 200
    """
    warnings: list[str] = []
    plan = _planned(settings, run=run, warn=warnings.append)
    if outdated := sum(row["id"] in plan.findings.outdated for row in plan.rows):
        warnings.append(f"{outdated} of these samples have scores of an older label, and start from their label")
    if run.dry_run:
        told = f"{settings.dataset}: would send {len(plan.rows)} samples to {plan.title!r} (dry run, nothing is sent)"
        data = {
            "command": "label push",
            "project": plan.title,
            "dry_run": True,
            "ids": [row["id"] for row in plan.rows],
        }
        return Result(summary=told, data=data, warnings=tuple(warnings))
    from labeling.label_tools.label_studio.push.push import push as push_samples

    total = len(plan.rows) + len(plan.golden)
    with (
        connected(settings.folder, patience_s=settings.patience) as client,
        progress_bar("push", total=total, run=run) as show,
    ):
        pushed = push_samples(plan, client=client, progress=show)
        address = f"{client.access.url}/projects/{pushed.project.id}/data"
    result = _result(pushed, plan=plan, address=address)
    return replace(result, warnings=(*warnings, *result.warnings))


def _planned(settings: PushFlags, *, run: RunOptions, warn: Callable[[str], None]) -> Push:
    from curation.dataset.dataset import read_dataset
    from curation.dataset.query import select_rows
    from labeling.findings import findings_of
    from labeling.label_tools.label_studio.project.golden import choose_golden
    from labeling.label_tools.label_studio.push.prefill import refuse_no_predictions
    from labeling.label_tools.label_studio.push.push import Push
    from labeling.selection.next_samples import next_samples
    from pipelines.labels.features import features_below

    dataset = read_dataset(settings.dataset)
    findings = findings_of(dataset, scores=settings.scores)
    if settings.prefill == "prediction":
        refuse_no_predictions(findings)
    named = None if settings.ids is None else _named(settings.ids, dataset=dataset)
    limit = min((n for n in (settings.budget, run.limit) if n is not None), default=None)
    rng = np.random.default_rng(run.seed)
    rows: Sequence[Mapping[str, Any]] = select_rows(dataset, settings.where).to_pylist()
    if named is None:
        features_of = features_below(dataset.folder, findings=findings, run=run, warn=warn)
        rows = next_samples(
            rows, findings=findings, strategy=settings.select, budget=limit, rng=rng, features_of=features_of
        )
    else:
        rows = sorted((row for row in rows if row["id"] in named), key=lambda row: named[row["id"]])[:limit]
    golden: tuple[Golden, ...] = ()
    if settings.golden:
        pool = dataset if settings.golden_from is None else read_dataset(settings.golden_from)
        golden = tuple(choose_golden(pool, number=settings.golden, besides=rows, seed=run.seed))
    return Push(
        dataset=dataset,
        rows=rows,
        title=project_title(dataset, project=settings.project),
        findings=findings,
        prefill=settings.prefill,
        model_version=settings.model_version or findings.model,
        images=settings.images,
        image_url=settings.image_url,
        golden=golden,
    )


def _named(file: Path, *, dataset: Dataset) -> dict[str, int]:
    """Return the place of each id in a file. Raises InputRefused for one that the dataset does not hold."""
    from curation.errors import InputRefused
    from curation.quarantine import BadRecord
    from curation.storage.files import read_file

    try:
        ids = read_file(file).decode().splitlines()
    except (BadRecord, UnicodeDecodeError) as error:
        raise InputRefused(
            f"cannot be read: {error}", where=file, remedy="name a text file of ids with --ids"
        ) from error
    unknown = set(ids)
    for table in dataset.batches(["id"]):
        unknown -= set(table["id"].to_pylist())
    if strange := [id_ for id_ in ids if id_ in unknown]:
        reason = f"{len(strange)} of {len(ids)} ids are not in {dataset.folder}, e.g. {strange[0]!r}"
        raise InputRefused(reason, where=file, remedy="name ids of that dataset, one a line")
    return {id_: place for place, id_ in enumerate(ids)}


def _result(pushed: Pushed, *, plan: Push, address: str) -> Result:
    broken = pushed.broken
    lines = [
        f"{plan.dataset.folder}: {pushed.sent} samples sent to {pushed.project.title!r}",
        f"  considered {pushed.considered} = {pushed.sent} sent + {pushed.there} there already + {len(broken)} broken",
        f"  {address}",
    ]
    if pushed.golden:
        lines.append(f"  {pushed.golden} of them are known masks; curate label status scores the annotators")
    lines += [f"  {one.code}  {one.file}: {one.reason}\n    what to do: {one.hint}" for one in broken[:SHOWN]]
    warnings = unread_warnings(pushed.unread_tools)
    if pushed.doubled:
        told = (
            f"{pushed.doubled} samples became tasks twice, and the second ones stay, since somebody may have worked on"
        )
        warnings += (f"{told} them; a pull takes the newest label of each sample",)
    data: dict[str, Any] = {
        "command": "label push",
        "project": pushed.project.title,
        "address": address,
        "counts": {"considered": pushed.considered, "sent": pushed.sent, "there": pushed.there, "broken": len(broken)},
        "golden": pushed.golden,
        "doubled": pushed.doubled,
        "unread_tools": pushed.unread_tools,
        "quarantined": msgspec.to_builtins(broken),
    }
    return Result.of(lines, data, set_aside=broken, warnings=warnings)
