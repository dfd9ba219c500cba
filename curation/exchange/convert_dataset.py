"""A data set written in the form of another tool: every sample read and checked, counted, and written part by part.

The samples are worked on side by side and taken in their order, so that the bytes are the same for any number of
workers, and few are in memory at once. A part, say a shard, is in the journal once it is on the disk: a run that was
killed goes on behind the last one.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa

from curation.building.build_dataset import quarantine_limit, too_much_broken
from curation.building.engine import Job, Lost
from curation.building.output_folder import make_folders, refuse_inputs
from curation.building.workers import RunnerOptions, died, each_of
from curation.dataset.card import QUARANTINE, Counts
from curation.dataset.dataset import FILE_COLUMNS, Dataset, of_ids
from curation.dataset.manifest_files import quarantine_lines
from curation.dataset.sample import Item, Outcome
from curation.errors import InputRefused
from curation.exchange.converted_folder import Told, converting_in, finished, write_kept
from curation.exchange.form import Conversion, DonePart, Form, Part, Placed, Taken, set_of
from curation.exchange.rows import Items, Rows
from curation.exchange.travelling import Travelling, pixel_digest, read_travelling
from curation.labels.label_files import plain_path
from curation.quarantine import QuarantineRecord
from curation.storage.files import sha256_of, telling_where, write_durable
from curation.storage.flush import flush_filesystem
from curation.storage.journal import Journal

COMMAND: Final = "convert"
VERSION: Final = 1
"""Of what is written; another one is another run."""
CHUNK: Final = 4
SECONDS_PER_CHUNK_ITEM: Final = 5.0
PIXELS: Final = "mask_pixels"
"""The column of `curate.parquet` with the SHA-256 of a mask's pixels: by it a label that was changed is known."""
Progress = Callable[[int, Counter[str]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertOptions:
    """How the work is done; nothing here changes the bytes of the result. See `BuildOptions`."""

    runner: RunnerOptions
    overwrite: bool = False
    max_quarantine: str | None = None
    progress: Progress | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """What the work on one sample gives: what the journal keeps of it, and its record where samples share a file."""

    taken: Taken
    record: Any


@dataclass(kw_only=True)
class _Run:
    """One conversion on its way: `limit` is the number of broken samples that are allowed."""

    form: Form
    out: Path
    journal: Journal[DonePart]
    limit: int
    options: ConvertOptions
    kinds: Counter[str] = field(default_factory=Counter)
    broken: list[QuarantineRecord] = field(default_factory=list)

    def note(self, part: DonePart) -> None:
        """Count what became of the samples of a part."""
        self.kinds.update(selected=len(part.taken), quarantined=len(part.broken))
        self.broken += part.broken


def convert_dataset(dataset: Dataset, *, form: Form, limit: int | None, out: Path, options: ConvertOptions) -> Told:
    """Write a data set to `out` in another form; continue where an earlier, stopped run left off.

    Raises InputRefused, also when more is broken than `max_quarantine` allows; EnvironmentProblem.
    """
    table = dataset.table.sort_by("id").slice(0, limit)
    run = run_id(dataset, form=form, limit=limit)
    allowed = quarantine_limit(options.max_quarantine, considered=len(dataset))
    with telling_where(out):
        refuse_inputs([dataset.folder], out=out)
        _refuse_inside(dataset, out=out)
        if not options.overwrite and (told := finished(out, run=run)) is not None:
            return told
    with telling_where(out), converting_in(out, run=run, overwrite=options.overwrite) as journal:
        make_folders(out, form.folders)
        parts = parts_of(table, samples=form.samples_per_part)
        state = _Run(form=form, out=out, journal=journal, limit=allowed, options=options)
        _work(state, dataset=dataset, table=table, parts=parts)
        return _publish(state, dataset=dataset, table=table, parts=parts, run=run)


def _refuse_inside(dataset: Dataset, *, out: Path) -> None:
    if out.resolve().is_relative_to(dataset.folder.resolve()):
        reason = f"this folder is inside the data set {dataset.folder}, whose folders hold nothing else"
        raise InputRefused(reason, where=out, remedy="choose another --out")


def run_id(dataset: Dataset, *, form: Form, limit: int | None) -> str:
    """Return 16 hexadecimal digits that change with the rows, the card and the settings, and with nothing else."""
    card = msgspec.structs.replace(dataset.card, name="", previous=msgspec.UNSET)
    settings = [form.name, form.samples_per_part, sorted(form.rules.kept), form.rules.as_png, limit]
    what = [COMMAND, VERSION, settings, msgspec.json.encode(card, order="deterministic").decode()]
    return hashlib.sha256(msgspec.json.encode(what)).hexdigest()[:16]


def parts_of(table: pa.Table, *, samples: int) -> list[Part]:
    """Return the parts of a table that is sorted by id: set by set, each of so many samples."""
    sets = sets_of(table)
    parts = []
    for name in sorted(sets):
        ids = sets[name]
        number = -(-len(ids) // samples)
        parts += [
            Part(set=name, number=n, of=number, ids=tuple(ids[n * samples : (n + 1) * samples])) for n in range(number)
        ]
    return parts


def sets_of(table: pa.Table) -> dict[str, list[str]]:
    """Return the ids of each set."""
    has_splits = table["split"].null_count < table.num_rows
    sets: dict[str, list[str]] = {}
    for row in table.select(["id", "mask", "split"]).to_pylist():
        sets.setdefault(set_of(row, has_splits=has_splits), []).append(row["id"])
    return sets


def convert_sample(item: Item, out: Path, *, form: Form, folder: Path) -> Ready:
    """Read one sample of the data set in `folder` and place it; raises BadRecord: whatever is wrong with its files."""
    row, set_ = item.payload["row"], item.payload["set"]
    sample = read_travelling(row, folder=folder, rules=form.rules)
    placed = form.place(sample, folder=out)
    return Ready(taken=_taken(sample, placed=placed, set_=set_), record=placed.record)


def _taken(sample: Travelling, *, placed: Placed, set_: str) -> Taken:
    return Taken(
        id=sample.id,
        set=set_,
        paths=placed.paths,
        sha256=sha256_of(sample.image),
        mask_pixels=pixel_digest(sample.mask),
        is_encoded_anew=sample.origin is None,
        facts=placed.facts,
    )


def _opened(_: int, *, form: Form, folder: Path, out: Path) -> Callable[[Sequence[Item]], Iterator[Ready | Outcome]]:
    return partial(each_of, partial(convert_sample, form=form, folder=folder), out)


def _work(state: _Run, *, dataset: Dataset, table: pa.Table, parts: Sequence[Part]) -> None:
    for done in state.journal.outcomes():
        state.note(done)
    todo = [part for part in parts if part.id not in state.journal.done]
    items = Items(Rows(table), parts=todo, folder=dataset.folder.resolve())
    runner = state.options.runner
    job = Job(
        open=partial(_opened, form=state.form, folder=dataset.folder.resolve(), out=state.out),
        workers=runner.workers,
        first_s=runner.item_timeout_s,
        more_s=SECONDS_PER_CHUNK_ITEM,
        chunk=CHUNK,
        memory_bytes=runner.worker_memory_bytes,
        keeps_order=True,
        folder=state.out,
    )
    results = runner.engine.run(job, items)
    try:
        with closing(results):  # whatever stops the run, no worker writes on behind the lock
            outcomes = (
                died(items[place], result, stage=COMMAND) if isinstance(result, Lost) else result
                for place, result in results
            )
            for part in todo:
                _write_part(state, part=part, outcomes=outcomes)
    finally:
        state.journal.commit()


def _write_part(state: _Run, *, part: Part, outcomes: Iterator[Ready | Outcome]) -> None:
    taken: list[Taken] = []
    broken: list[QuarantineRecord] = []
    with state.form.writing(part, folder=state.out) as write:
        for _ in part.ids:
            outcome = next(outcomes)
            if isinstance(outcome, Ready):
                taken.append(outcome.taken)
                write(outcome.record)
            else:
                broken += outcome.records
            if state.options.progress is not None:
                kinds = state.kinds + Counter(selected=len(taken), quarantined=len(broken))
                state.options.progress(kinds.total(), kinds)
            if len(state.broken) + len(broken) > state.limit:
                _refuse(state, broken=broken)
    done = DonePart(id=part.id, taken=tuple(taken), broken=tuple(broken))
    state.journal.add(done)
    state.note(done)


def _refuse(state: _Run, *, broken: Sequence[QuarantineRecord]) -> None:
    """Raise InputRefused; parts with broken samples are forgotten, for who runs this again may have repaired them."""
    state.journal.commit()
    records = [*broken, *state.broken]
    write_durable(state.out / QUARANTINE, quarantine_lines(records))
    state.journal.drop(lambda part: bool(part.broken))
    raise too_much_broken(records, limit=state.limit, out=state.out)


def _publish(state: _Run, *, dataset: Dataset, table: pa.Table, parts: Sequence[Part], run: str) -> Told:
    by_part: dict[str, DonePart] = {part.id: part for part in state.journal.outcomes()}
    taken = [one for part in parts for one in by_part[part.id].taken]
    sets = Counter(one.set for one in taken)
    kept = _kept_rows(table, taken=taken)
    conversion = Conversion(
        name=dataset.card.name,
        card=dataset.card,
        rows=Rows(kept),
        taken=taken,
        sets=dict(sorted(sets.items())),
    )
    state.form.finish(conversion, folder=state.out)
    write_durable(state.out / QUARANTINE, quarantine_lines(state.broken))
    flush_filesystem(state.out)
    filtered = {"limit": len(dataset) - table.num_rows} if table.num_rows < len(dataset) else {}
    quarantined = Counter(str(record.code) for record in state.broken)
    counts = Counts(
        considered=len(dataset), selected=len(taken), filtered=filtered, quarantined=dict(sorted(quarantined.items()))
    )
    told = Told(
        run=run,
        form=state.form.name,
        name=dataset.card.name,
        card=dataset.card,
        counts=counts,
        sets=dict(conversion.sets),
        turned=sum(one.is_encoded_anew for one in taken),
    )
    write_kept(state.out, table=kept, told=told)
    return told


def _kept_rows(table: pa.Table, *, taken: Sequence[Taken]) -> pa.Table:
    """Return the rows of what was converted, with the paths and the SHA-256 that files have there.

    The paths that they have in the data set, as files of their own, stand beside, in `origin_<column>`.
    """
    found = {one.id: one for one in taken}
    table = of_ids(table, found)
    order = [found[id_] for id_ in table["id"].to_pylist()]
    for column in [name for name in FILE_COLUMNS if name in table.column_names]:
        paths = pa.array([one.paths.get(column) for one in order], pa.string())
        own = [
            path and plain_path(path, column=column, sample_id=one.id)
            for path, one in zip(table[column].to_pylist(), order)
        ]
        table = table.append_column(origin_column(column), pa.array(own, pa.string()))
        table = table.set_column(table.column_names.index(column), column, paths)
    digests = pa.array([one.sha256 for one in order], pa.string())
    table = table.set_column(table.column_names.index("sha256"), "sha256", digests)
    return table.append_column(PIXELS, pa.array([one.mask_pixels for one in order], pa.string()))


def origin_column(column: str) -> str:
    """Return the column of `curate.parquet` with the path that a file has in the data set.

    >>> origin_column("mask")
    'origin_mask'
    """
    return f"origin_{column}"


ADDED: Final = frozenset({PIXELS, *map(origin_column, FILE_COLUMNS)})
"""The columns of `curate.parquet` that no manifest has."""
