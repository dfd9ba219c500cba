"""The scores of a dataset, written: resumed after a kill, rechecked where a fast engine could decide otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import msgspec
import pyarrow as pa

from curation.building.build_dataset import quarantine_limit
from curation.dataset.card import QUARANTINE
from curation.dataset.manifest_files import quarantine_lines
from curation.errors import InputRefused
from curation.storage.files import make_folder, write_durable
from curation.storage.journal import Journal
from models.evaluation.score_files import Observed, Precision, PredictFiles, Row, ScoredImage, ScoringPlace, score_rows
from models.evaluation.score_table import PREDICTIONS, table_of_scores, write_scores

MARGIN: Final = 0.08
"""How far from the limit the mIoU of a fast engine may lie and still be on the wrong side. From fp32 to bfloat16 it
moved by 0.004 on average, and by 0.062 at most, in 400 predictions of two networks for 200 real portraits. In 160 on
COCO images, which had no part in the choice, it moved by 0.036 at most. This is measured, not proven: no margin is."""
SAFETY: Final = 2.0
"""The margin grows to this many times the largest change that the rechecks show, for networks that round worse."""

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
    """The scores of a dataset as in `scores.parquet`; broken samples by code, and the `margin` of the recheck.

    `observed` holds what the places observed, by id.
    """

    table: pa.Table
    quarantined: dict[str, int]
    margin: float | None
    observed: dict[str, Observed]


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
        todo = [row for row in rows if row["id"] not in journal.done]
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
    fast = {
        scored.id: scored.score.miou
        for scored in first.outcomes()
        if scored.score is not None and (scored.score.miou is not None or not scored.score.is_finite)
    }
    margin = MARGIN
    while True:
        near = {name for name, miou in fast.items() if miou is None or abs(miou - limit) <= margin}
        if second.journal.done >= near:
            return margin
        second.run([row for row in rows if row["id"] in near], precision="fp32", before=len(rows))
        changes = [
            abs(before - scored.score.miou)
            for scored in second.journal.outcomes()
            if scored.score is not None and scored.score.miou is not None and (before := fast[scored.id]) is not None
        ]
        margin = max(margin, SAFETY * max(changes, default=0.0))


def _publish(
    out: Path, *, journals: Sequence[tuple[Journal[ScoredImage], Journal[ScoredImage]]], margin: float | None
) -> DatasetScores:
    again = {scored.id: scored for _, second in journals for scored in second.outcomes()}
    final = [again.get(scored.id, scored) for first, _ in journals for scored in first.outcomes()]
    scores = [
        msgspec.structs.replace(scored.score, rechecked=scored.id in again)
        for scored in final
        if scored.score is not None
    ]
    table = table_of_scores(scores)
    _sweep(out / PREDICTIONS, kept={f"{score.id}.png" for score in scores if score.is_finite})
    write_scores(out, table=table)
    write_durable(out / QUARANTINE, quarantine_lines(record for scored in final for record in scored.records))
    broken = Counter(str(scored.records[0].code) for scored in final if scored.score is None)
    return DatasetScores(
        table=table,
        quarantined=dict(sorted(broken.items())),
        margin=margin,
        observed={scored.id: scored.observed for scored in final if scored.observed is not None},
    )


def _sweep(folder: Path, *, kept: set[str]) -> None:
    """Delete what no score belongs to: half-written files of a killed run, predictions that a recheck took back."""
    for path in folder.iterdir():
        if path.name not in kept:
            path.unlink()


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
