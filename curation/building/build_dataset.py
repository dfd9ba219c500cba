"""Turn a plan into a dataset folder: work on the items, keep a journal, count everything, publish last.

This is the one place where samples become a dataset; the conservation law is asserted here (by `Counts`).
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from curation.building.output_folder import finished_card, make_folders, refuse_inputs, rows_folder, working_in
from curation.building.shards import SETTING, SHARDS, in_shards, refuse_taken
from curation.building.sorted_rows import SortedRows
from curation.building.workers import RunnerOptions, run_items
from curation.dataset.card import QUARANTINE, Card, Tally, counts_of, tool_version
from curation.dataset.dataset import FILE_COLUMNS
from curation.dataset.licenses import license_counts
from curation.dataset.manifest_files import quarantine_lines, write_rows
from curation.dataset.sample import Outcome, Plan, items_without
from curation.dataset.table import table_of
from curation.errors import ConfigurationProblem, InputRefused
from curation.quarantine import QuarantineRecord
from curation.remote.places import all_told, told
from curation.sequences import batched
from curation.storage.claimed_folder import delete_others
from curation.storage.files import TEMPORARY_PREFIX, telling_where, write_durable
from curation.storage.journal import Journal
from curation.storage.text_set import TextSet

ROWS_PER_BATCH: Final = 8192
QUARANTINE_AMOUNT: Final = re.compile(r"(?P<count>[0-9]{1,18})|(?P<share>[0-9]{1,3}(\.[0-9]*)?)%")
FREE_QUARANTINE: Final = 10
"""So many broken inputs never stop a run that was given no limit of its own."""

FLAG: Final = "; --"
"""How a hint begins to name a flag that would help."""

Progress = Callable[[int, int, Counter[str]], None]
"""Told of every outcome: items done, items in all, and how many are selected, filtered and quarantined so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """How a dataset is built; nothing here changes the bytes of the result.

    `max_quarantine` is a count ("25"), a share of the inputs ("5%"), or None for 1 % and at least 10.
    """

    runner: RunnerOptions
    overwrite: bool = False
    max_quarantine: str | None = None
    progress: Progress | None = None


def build_dataset(plan: Plan, *, out: Path, options: BuildOptions) -> Card:
    """Make the dataset `out` from a plan and give its card; continue where an earlier, stopped run left off.

    A finished dataset of the same run is left as it is; one of another run is refused, or replaced with `overwrite`.
    Raises InputRefused (also when more is broken than `max_quarantine` allows), EnvironmentProblem.
    """
    run = run_id(plan)
    limit = quarantine_limit(options.max_quarantine, considered=plan.considered)
    with telling_where(out):
        refuse_inputs(plan.inputs, out=out)
        if plan.shards:
            refuse_taken(plan.folders, out=out)
        if not options.overwrite and (card := finished_card(out, run=run)) is not None:
            return card
    if len(plan.quarantined) > limit:
        raise too_much_broken(plan.quarantined, limit=limit)
    with telling_where(out), working_in(out, run=run, overwrite=options.overwrite) as journal:
        (out / QUARANTINE).unlink(missing_ok=True)  # of a run that was refused; see `working_in`
        make_folders(out, _folders(plan))
        _work(plan, out=out, journal=journal, limit=limit, options=options)
        return _publish(plan, out=out, run=run, journal=journal)


def run_id(plan: Plan) -> str:
    """Return 16 hexadecimal digits that change with the command, its settings and its sources, and with nothing
    else.
    """
    what = all_told(msgspec.to_builtins([plan.command, _settings(plan), list(plan.sources), list(plan.parents)]))
    return hashlib.sha256(msgspec.json.encode(what, order="deterministic")).hexdigest()[:16]


def _settings(plan: Plan) -> dict[str, Any]:
    return dict(plan.settings) | ({SETTING: True} if plan.shards else {})


def _folders(plan: Plan) -> tuple[str, ...]:
    return (*plan.folders, SHARDS) if plan.shards else plan.folders


def quarantine_limit(text: str | None, *, considered: int) -> int:
    """Return how many broken inputs are allowed; raises ConfigurationProblem for what is neither count nor share.

    >>> quarantine_limit(None, considered=5000), quarantine_limit(None, considered=20)
    (50, 10)
    >>> quarantine_limit("5%", considered=200), quarantine_limit("3", considered=200)
    (10, 3)
    """
    if text is None:
        return max(FREE_QUARANTINE, considered // 100)
    amount = QUARANTINE_AMOUNT.fullmatch(text)
    if amount is None or (amount["share"] and float(amount["share"]) > 100):
        raise ConfigurationProblem(
            f"--max-quarantine {text!r} is neither a count nor a share of the inputs",
            remedy="give a count such as 25, or a share from 0% to 100%",
        )
    return int(amount["count"]) if amount["count"] else int(considered * float(amount["share"]) / 100)


def _work(plan: Plan, *, out: Path, journal: Journal[Outcome], limit: int, options: BuildOptions) -> None:
    tally = Tally()
    for outcome in journal.outcomes():
        tally.add(outcome)
    todo = items_without(plan.items, journal.done)
    allowed = limit - len(plan.quarantined)
    outcomes = run_items(todo, work=plan.work, folder=out, stage=plan.command, options=options.runner)
    try:
        with closing(outcomes):  # whatever stops the run, no worker writes on behind the lock
            for outcome in outcomes:
                journal.add(outcome)
                tally.add(outcome)
                if options.progress is not None:
                    options.progress(len(journal.done), len(plan.items), tally.by_kind())
                if outcome.broken is not None and tally.quarantined.total() > allowed:
                    journal.commit()
                    write_durable(out / QUARANTINE, quarantine_lines(_records(plan, journal=journal)))
                    late = [one.records[0] for one in journal.outcomes() if one.broken is not None]
                    journal.drop(lambda one: one.broken is not None)  # who runs this again may have repaired them
                    raise too_much_broken([*late[::-1], *plan.quarantined], limit=limit, out=out)
    finally:
        _drop_half_written(out, folders=plan.folders)
        journal.commit()


def _publish(plan: Plan, *, out: Path, run: str, journal: Journal[Outcome]) -> Card:
    tally, parts, licenses = Tally(), Counter(str(record.code) for record in plan.records), Counter[str]()
    rows = SortedRows(rows_folder(out))
    try:
        for batch in batched(journal.outcomes(), size=ROWS_PER_BATCH):
            for outcome in batch:
                tally.add(outcome)
                if outcome.broken is None:
                    parts.update(str(record.code) for record in outcome.records)
            table = table_of([outcome.sample for outcome in batch if outcome.sample is not None])
            licenses.update(license_counts(table))
            rows.add(table)
        make_folders(out, _folders(plan))  # again: behind a link put there meanwhile, everything would be swept away
        _sweep(out, folders=_folders(plan), rows=rows)
        if plan.finish is not None:
            plan.finish(out)
        card = _card(plan, out=out, run=run, tally=tally, licenses=licenses, parts=parts)
        blocks = rows.blocks(types=plan.columns)
        blocks = in_shards(blocks, out=out) if plan.shards else blocks
        return write_rows(out, card=card, rows=blocks, quarantine=_records(plan, journal=journal))
    finally:
        rows.close()


def _card(plan: Plan, *, out: Path, run: str, tally: Tally, licenses: Counter[str], parts: Counter[str]) -> Card:
    return Card(
        name=out.resolve().name,
        command=plan.command,
        settings=all_told(_settings(plan)),
        tool_version=tool_version(),
        run=run,
        sources=[msgspec.structs.replace(source, path=told(source.path)) for source in plan.sources],
        licenses=dict(sorted(licenses.items())),
        counts=counts_of(plan, tally=tally),
        records=dict(sorted(parts.items())),
        notes=all_told(dict(plan.notes)),
        parents=list(plan.parents),
    )


def _records(plan: Plan, *, journal: Journal[Outcome]) -> Iterator[QuarantineRecord]:
    yield from plan.quarantined
    yield from plan.records
    for outcome in journal.outcomes():
        yield from outcome.records


def _sweep(out: Path, *, folders: tuple[str, ...], rows: SortedRows) -> None:
    """Delete what no row names: half-written files of a killed run, and files of items that failed late."""
    for folder in folders:
        named = TextSet()
        for table in rows.columns(FILE_COLUMNS):
            for column in table.columns:
                paths = column.cast(pa.string()).drop_null()
                own = paths.filter(pc.starts_with(paths, f"{folder}/"))
                named.add_all(pc.utf8_slice_codeunits(own, len(folder) + 1).to_pylist())
        delete_others(out / folder, kept=named)


def _drop_half_written(out: Path, *, folders: tuple[str, ...]) -> None:
    """Delete what workers were writing when they were stopped: it takes space, which may be what is lacking."""
    with suppress(OSError):
        for folder in folders:
            for path in (out / folder).glob(f"{TEMPORARY_PREFIX}*"):
                path.unlink()


def too_much_broken(records: Sequence[QuarantineRecord], *, limit: int, out: Path | None = None) -> InputRefused:
    """Return the refusal; where a hint names a flag that would help, the first line says how many of them it would."""
    example = records[0]
    seen = f"the lines are in {out / QUARANTINE}; " if out is not None else ""
    ways = Counter(way for record in records if (way := record.hint.partition(FLAG)[2]))
    way = "".join(f"{FLAG}{way}: {number} of these" for way, number in ways.most_common(1))
    return InputRefused(
        f"{len(records)} inputs are broken, {limit} are allowed{way}; e.g. {example.code}: {example.reason}",
        where=example.file,
        remedy=f"{example.hint}. {seen}--max-quarantine N or N% (100%: all) allows more; the work done so far is kept",
    )
