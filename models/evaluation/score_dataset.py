"""The scores of a dataset, written: resumed after a kill, rechecked where a fast engine could decide otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

import msgspec
import numpy as np
import pyarrow as pa

from curation.building.build_dataset import quarantine_limit
from curation.building.sorted_rows import SortedRows
from curation.dataset.card import QUARANTINE
from curation.dataset.chosen_rows import rows_with, rows_without
from curation.dataset.manifest_files import quarantine_lines
from curation.errors import InputRefused
from curation.quarantine import QuarantineRecord
from curation.sequences import batched
from curation.storage.claimed_folder import delete_others
from curation.storage.files import make_folder, write_durable
from curation.storage.journal import Journal
from curation.storage.text_numbers import TextNumbers
from curation.storage.text_set import TextSet
from models.evaluation.score_files import Precision, PredictFiles, Row, ScoredImage, ScoringPlace, score_rows
from models.evaluation.score_table import (
    PREDICTIONS,
    SCORES_SCHEMA,
    Score,
    StoredScores,
    table_of_scores,
    write_scores,
)

MARGIN: Final = 0.08
"""How far from the limit the mIoU of a fast engine may lie and still be on the wrong side. From fp32 to bfloat16 it
moved by 0.004 on average, and by 0.062 at most, in 400 predictions of two networks for 200 real portraits. In 160 on
COCO images, which had no part in the choice, it moved by 0.036 at most. This is measured, not proven: no margin is."""
SAFETY: Final = 2.0
"""The margin grows to this many times the largest change that the rechecks show, for networks that round worse."""

AT_ONCE: Final = 8192
"""Samples whose scores are in memory as such; the others are rows of a table."""

Progress: TypeAlias = Callable[[int, int], None]
"""Told how many predictions are done, of how many; those that are made again in fp32 come on top."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreOptions:
    """How samples are scored.

    With `precision` "fast" and a `limit`, samples whose mIoU comes near it are predicted again in fp32, so that those
    below the limit are the same as with fp32 alone. `max_quarantine` is a count, a share such as "5%", or None for 1 %
    and at least 10.
    """

    precision: Precision = "fp32"
    limit: float | None = None
    workers: int = 1
    max_quarantine: str | None = None
    progress: Progress | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Where the journal of a run lies, and which run it is: only unfinished work of the same run is resumed."""

    folder: Path
    run: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DatasetScores:
    """The scores of a dataset as in `scores.parquet`, what the places observed as columns behind them; broken samples
    by code, and the `margin` of the recheck."""

    scores: StoredScores
    quarantined: dict[str, int]
    margin: float | None

    @property
    def table(self) -> pa.Table:
        """All scores in memory."""
        return self.scores.whole()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """Rows of one dataset, to be scored, and where they come from."""

    rows: Sequence[Row]
    place: ScoringPlace


def score_dataset(
    rows: Sequence[Row], *, place: ScoringPlace, predict: PredictFiles, work: Work, options: ScoreOptions
) -> DatasetScores:
    """Score rows of a manifest, and write `scores.parquet`, `quarantine.jsonl` and `predictions/` into `place.out`.

    Work of this run that was stopped continues; the bytes do not depend on that, nor on the number of workers.
    Raises InputRefused when more is broken than allowed, EnvironmentProblem, and what the model is refused for.
    """
    return score_parts([Part(rows=rows, place=place)], predict=predict, work=work, options=options)


def score_parts(parts: Sequence[Part], *, predict: PredictFiles, work: Work, options: ScoreOptions) -> DatasetScores:
    """Score rows of several datasets as `score_dataset` does those of one, all into the same folder.

    No two of their rows may have the same id, and no two places the same name.
    """
    out = parts[0].place.out
    make_folder(out / PREDICTIONS, below=out)
    journals, margins = [], []
    for part in parts:
        first, second = (
            _Pass(place=part.place, predict=predict, journal=_journal(work, name=name), options=options)
            for name in (part.place.name, f"{part.place.name}.again")
        )
        first.run(part.rows, precision=options.precision)
        if options.precision == "fast" and options.limit is not None:
            margins.append(_recheck(part.rows, first=first.journal, second=second, limit=options.limit))
        journals.append((first.journal, second.journal))
    return _publish(out, journals=journals, margin=max(margins, default=None))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pass:
    """One way through samples: whatever the journal does not hold yet is predicted, scored and noted."""

    place: ScoringPlace
    predict: PredictFiles
    journal: Journal[ScoredImage]
    options: ScoreOptions

    def run(self, rows: Sequence[Row], *, precision: Precision, before: int = 0) -> None:
        """Score the rows, after `before` others. Raises InputRefused when too many are broken."""
        journal, report = self.journal, self.options.progress
        allowed = quarantine_limit(self.options.max_quarantine, considered=len(rows))
        broken = [scored for scored in journal.outcomes() if scored.score is None]
        todo = rows_without(rows, journal.done)
        scored_images = score_rows(
            todo, place=self.place, predict=self.predict, precision=precision, workers=self.options.workers
        )
        try:
            with closing(scored_images):
                for scored in scored_images:
                    journal.add(scored)
                    broken += [scored] if scored.score is None else []
                    if report is not None:
                        report(before + len(journal.done), before + len(rows))
                    if len(broken) > allowed:
                        raise _too_much_broken(broken, allowed=allowed, out=self.place.out)
        finally:
            journal.commit()


def _recheck(rows: Sequence[Row], *, first: Journal[ScoredImage], second: _Pass, limit: float) -> float:
    """Predict again in fp32 what comes near the limit, or is not finite; give the margin that was needed."""
    fast = TextNumbers(
        (scored.id, _known_miou(scored.score)) for scored in first.outcomes() if scored.score is not None
    )
    margin = MARGIN
    while True:
        near = rows_with(rows, partial(_are_near, fast=fast, limit=limit, margin=margin))
        if not rows_without(near, second.journal.done):
            return margin
        second.run(near, precision="fp32", before=len(rows))
        margin = max(margin, SAFETY * _largest_change(fast, second=second.journal))


def _are_near(ids: Sequence[str], *, fast: TextNumbers, limit: float, margin: float) -> list[bool]:
    """Tell which samples are near the limit, or were predicted, but as something that is not finite."""
    is_near = ~(np.abs(fast.of(ids, unknown=np.inf) - limit) > margin)
    return list(is_near.tolist())


def _known_miou(score: Score) -> float:
    """Return the mIoU: NaN where a prediction is not finite, infinite where there is no label."""
    if score.miou is not None:
        return score.miou
    return np.inf if score.is_finite else np.nan


def _largest_change(fast: TextNumbers, *, second: Journal[ScoredImage]) -> float:
    largest = 0.0
    again = ((scored.id, _known_miou(scored.score)) for scored in second.outcomes() if scored.score is not None)
    for some in batched(again, size=AT_ONCE):
        changes = np.abs(fast.of([id_ for id_, _ in some], unknown=np.nan) - [miou for _, miou in some])
        largest = float(np.max(changes[np.isfinite(changes)], initial=largest))
    return largest


def _publish(
    out: Path, *, journals: Sequence[tuple[Journal[ScoredImage], Journal[ScoredImage]]], margin: float | None
) -> DatasetScores:
    rows = SortedRows(journals[0][0].path.with_name("rows"), schema=SCORES_SCHEMA)
    names, records, broken = TextSet(), list[QuarantineRecord](), Counter[str]()
    try:
        for some in _settled(journals):
            records += [record for scored, _ in some for record in scored.records]
            broken.update(str(scored.records[0].code) for scored, _ in some if scored.score is None)
            rows.add(_table_of(some))
            names.add_all([f"{one.id}.png" for one, _ in some if one.score is not None and one.score.is_finite])
        delete_others(out / PREDICTIONS, kept=names)
        del names  # not held while the rows are merged
        stored = write_scores(out, tables=rows.blocks(types={}))
    finally:
        rows.close()
    write_durable(out / QUARANTINE, quarantine_lines(records))
    return DatasetScores(scores=stored, quarantined=dict(sorted(broken.items())), margin=margin)


def _settled(
    journals: Sequence[tuple[Journal[ScoredImage], Journal[ScoredImage]]],
) -> Iterator[list[tuple[ScoredImage, bool]]]:
    """Yield what became of each sample at last, and whether it was predicted again for that, some at a time."""
    for first, second in journals:
        for some in batched(second.outcomes(), size=AT_ONCE):
            yield [(scored, True) for scored in some]
        for some in batched(first.outcomes(), size=AT_ONCE):
            is_old = second.done.known([scored.id for scored in some])
            yield [(scored, False) for scored, old in zip(some, is_old, strict=True) if not old]


def _table_of(some: Sequence[tuple[ScoredImage, bool]]) -> pa.Table:
    """Return scores, and behind them what was observed, where something was."""
    scores, observed = [], []
    for scored, is_again in sorted(some, key=lambda one: one[0].id):
        if scored.score is not None:
            scores.append(msgspec.structs.replace(scored.score, rechecked=is_again))
            observed.append(scored.observed or {})
    table = table_of_scores(scores)
    for name in sorted({name for one in observed for name in one}):
        values = [one.get(name) for one in observed]
        table = table.append_column(name, pa.array(values, pa.float64()))
    return table


def _journal(work: Work, *, name: str) -> Journal[ScoredImage]:
    make_folder(work.folder)
    journal = Journal(work.folder / f"{name}.jsonl", kind=ScoredImage)
    journal.start(run_id=work.run)
    return journal


def _too_much_broken(broken: Sequence[ScoredImage], *, allowed: int, out: Path) -> InputRefused:
    lines = [record for scored in broken for record in scored.records]
    write_durable(out / QUARANTINE, quarantine_lines(lines))
    example = lines[0]
    return InputRefused(
        f"{len(broken)} samples are broken, {allowed} are allowed; e.g. {example.code}: {example.reason}",
        where=example.file,
        remedy=f"{example.hint}. The lines are in {out / QUARANTINE}; --max-quarantine N or N% allows more; the work "
        "done so far is kept",
    )
