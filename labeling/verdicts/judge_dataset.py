"""Verdicts for a whole table of scores: what the stored predictions of several models say about each label.

What one model alone says is computed while its predictions are scored (`observe_alone`); what several say together is
gathered from their stored predictions afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import cv2
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.dataset.chosen_rows import ChosenRows
from curation.dataset.rows import blocks_of
from curation.images.pixels import Gray, Image, Mask, decode_gray, decode_image
from curation.labels.masks import mask_of
from curation.quarantine import BadRecord
from curation.sequences import batched
from curation.storage.files import named_file, read_file
from labeling.verdicts.deep_verdicts import DEEP_COLUMNS, Heard, Weighed, deepened, hear, planted_at, weigh
from labeling.verdicts.evidence import Evidence, evidence_of
from labeling.verdicts.outline_support import outline_support
from labeling.verdicts.verdict import CONTRADICTED, label_doubt, verdict
from labeling.verdicts.witnesses import witnesses_of
from models.data.truth import Truth, has_truth, read_truth
from models.evaluation.score_files import Observed, Row
from models.evaluation.score_table import PREDICTIONS, StoredScores, write_scores
from models.metrics.disagreement import disagreement
from models.metrics.summary import HARD_BELOW

Views: TypeAlias = Callable[[str], Path]
"""Gives the file with another prediction for the sample of an id; it may be absent."""
Samples: TypeAlias = Sequence[tuple[Path, Row]]
"""The samples that were scored: the folder of the dataset, and the row."""
AT_ONCE: Final = 4096
"""Samples that are judged before the next are read."""
OBSERVED: Final = ("contradicted", "interior_error")
"""What `observe_alone` gives."""
COLUMNS: Final = {
    "contradicted": pa.float64(),
    "interior_error": pa.float64(),
    "model_disagreement": pa.float64(),
    "best_other": pa.float64(),
    "outline_support": pa.float64(),
    "label_doubt": pa.float64(),
    "verdict": pa.string(),
}


def observe_alone(prediction: Gray, truth: Truth) -> Observed:
    """Return what a stored prediction by itself says about a label."""
    found = evidence_of(prediction, others=[], truth=truth.mask, valid=truth.valid)
    return dict(zip(OBSERVED, (found.contradicted, found.interior_error), strict=True))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judged:
    """The scores with verdicts, and with a teacher the share of wrong labels, where it can be told."""

    scores: StoredScores
    wrong_share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judges:
    """Who judges labels beside the model that was scored: `views` of other models.

    With a `teacher`, one of the views, verdicts are deeper; see `deep_verdicts`. A model repeats the labels that it
    `learned`, wrong ones too: of these its own prediction says nothing beside the views.
    """

    views: Sequence[Views] = ()
    teacher: Views | None = None
    learned: Callable[[Row], bool] = lambda _: False


def judged(
    scores: StoredScores,
    *,
    samples: Samples,
    judges: Judges,
    staging: Path,
    workers: int,
) -> Judged:
    """Write the scores with evidence and verdict for each labelled sample to `staging`; `samples` are in their order.

    Predictions lie in `staging/predictions`, others where the views of `judges` say. Without views, what was observed
    while scoring is the evidence. Of a sample without a label, views tell how far the predictions are from each other.
    """
    views = judges.views
    assert len(samples) == len(scores), "there is a sample for each score"
    rows = ChosenRows(scores, np.arange(len(scores)))
    tasks = _Tasks(scores=rows, samples=samples, staging=staging, with_observed=not views)
    with ThreadPoolExecutor(max(1, workers), thread_name_prefix="judge") as pool:
        deep = None
        if judges.teacher is not None:
            asked = _asked(scores, samples=samples)
            say = partial(_hear, views=[judges.teacher, *views], learned=judges.learned)
            deep = asked, weigh(_heard(tasks, asked=asked, say=say, pool=pool))
        stored = write_scores(staging, tables=_judgements(tasks, views=views, pool=pool, deep=deep))
    return Judged(scores=stored, wrong_share=None if deep is None else deep[1].share)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Task:
    row: Row
    folder: Path
    score: Mapping[str, Any]
    staging: Path
    observed: Observed | None
    needs_files: bool

    @property
    def prediction(self) -> Path:
        """Where the prediction lies that was scored."""
        return self.staging / PREDICTIONS / f"{self.score['id']}.png"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Tasks:
    """What is to be judged, by the number of its score; each is read when it is asked for."""

    scores: ChosenRows
    samples: Samples
    staging: Path
    with_observed: bool

    def blocks(self) -> Iterator[tuple[pa.Table, list[_Task]]]:
        """Yield scores and the tasks that go with them, some at a time, at least once."""
        for start, table in zip(self.scores.rows.starts, blocks_of(self.scores.rows)):
            for first in range(0, max(1, table.num_rows), AT_ONCE):
                some = table.slice(first, AT_ONCE)
                samples = self.samples[start + first : start + first + some.num_rows]
                yield some, [self._task(*pair) for pair in zip(some.to_pylist(), samples, strict=True)]

    def some(self, numbers: Sequence[int]) -> list[_Task]:
        """Return the tasks of these numbers."""
        scores = self.scores.at(np.asarray(numbers, dtype=np.int64))
        return [self._task(score, self.samples[number]) for score, number in zip(scores, numbers, strict=True)]

    def _task(self, score: Mapping[str, Any], sample: tuple[Path, Row]) -> _Task:
        folder, row = sample
        assert row["id"] == score["id"], "samples are in the order of their scores"
        observed = {name: score.get(name) for name in OBSERVED}
        is_known = self.with_observed and None not in observed.values()
        return _Task(
            row=row,
            folder=folder,
            score=score,
            staging=self.staging,
            observed=observed if is_known else None,
            needs_files=not is_known and not (self.with_observed and not has_truth(row)),
        )


def _judgements(
    tasks: _Tasks,
    *,
    views: Sequence[Views],
    pool: ThreadPoolExecutor,
    deep: tuple[NDArray[np.int64], Weighed] | None,
) -> Iterator[pa.Table]:
    """Yield the scores with what is found; `deep` are the numbers of the labels that witnesses weighed, and what they
    say."""
    columns, number = COLUMNS if deep is None else COLUMNS | DEEP_COLUMNS, 0
    for table, some in tasks.blocks():
        run = pool.map if any(task.needs_files for task in some) else map  # threads would only cost time
        found = list(run(partial(_judge, views=views), some))
        if deep is not None:
            first, last = np.searchsorted(deep[0], (number, number + len(some)))
            for at in range(first, last):
                one = deep[0][at] - number
                found[one] = deepened(found[one], number=at, weighed=deep[1])
        number += len(some)
        table = table.drop_columns([name for name in columns if name in table.column_names])
        for name, kind in columns.items():
            table = table.append_column(name, pa.array([one.get(name) for one in found], kind))
        yield table


def _judge(task: _Task, *, views: Sequence[Views]) -> dict[str, Any]:
    score = task.score
    if not has_truth(task.row):
        return {"model_disagreement": _disagreement(task, views=views)}
    if not score["is_finite"]:
        return {"verdict": verdict(None, miou=None, boundary_iou=None)}
    found = _gathered(task, views=views) if task.observed is None else _alone(task.observed)
    return {
        "contradicted": found.contradicted,
        "interior_error": found.interior_error,
        "model_disagreement": found.disagreement,
        "best_other": found.best_other,
        "outline_support": found.outline_support,
        "label_doubt": label_doubt(found, miou=score["miou"]),
        "verdict": verdict(found, miou=score["miou"], boundary_iou=score["boundary_iou"]),
    }


def _disagreement(task: _Task, *, views: Sequence[Views]) -> float | None:
    others = _others(task, views=views)
    if not others or not task.score["is_finite"]:
        return None
    return disagreement([mask_of(_read(path)) for path in (task.prediction, *others)])


def _others(task: _Task, *, views: Sequence[Views]) -> list[Path]:
    return [path for view in views if (path := view(task.row["id"])).exists()]


def _alone(observed: Observed) -> Evidence:
    contradicted, interior_error = observed["contradicted"], observed["interior_error"]
    assert contradicted is not None and interior_error is not None
    return Evidence(contradicted=contradicted, interior_error=interior_error, disagreement=None, best_other=None)


def _gathered(task: _Task, *, views: Sequence[Views]) -> Evidence:
    truth = read_truth(task.row, folder=task.folder, with_alpha=False)
    others = _others(task, views=views)
    found = evidence_of(
        _read(task.prediction), others=[_read(path) for path in others], truth=truth.mask, valid=truth.valid
    )
    if not others or (task.score["miou"] >= HARD_BELOW and found.contradicted <= CONTRADICTED):
        return found  # to look at the image takes longer than all else, and nothing speaks against the label
    return replace(found, outline_support=_support(task, mask=truth.mask))


def _asked(scores: StoredScores, *, samples: Samples) -> NDArray[np.int64]:
    """Return the numbers of the samples that show somebody by their label, and have a prediction."""
    is_finite = np.concatenate([table["is_finite"].to_numpy() for table in blocks_of(scores, ["is_finite"])])
    has_mask = np.fromiter((row["mask"] is not None for _, row in samples), dtype=np.bool_, count=len(samples))
    return np.flatnonzero(is_finite & has_mask)


def _heard(
    tasks: _Tasks,
    *,
    asked: NDArray[np.int64],
    say: Callable[[_Task, int, _Task | None], Heard | None],
    pool: ThreadPoolExecutor,
) -> Iterator[Heard | None]:
    """Yield what all predictions, the first view first, say of the label of each sample that is asked for."""
    for numbers in batched(range(len(asked)), size=AT_ONCE):
        some = tasks.some(asked[numbers].tolist())
        planted = [number for number in numbers if planted_at(number, of=len(asked))]
        others = tasks.some(asked[[(number + len(asked) // 2) % len(asked) for number in planted]].tolist())
        other = dict(zip(planted, others, strict=True))
        yield from pool.map(say, some, numbers, map(other.get, numbers))


def _hear(
    task: _Task, number: int, other: _Task | None, *, views: Sequence[Views], learned: Callable[[Row], bool]
) -> Heard | None:
    image = _image(task)
    if image is None:
        return None
    files = list(dict.fromkeys(_others(task, views=views)))
    truth = read_truth(task.row, folder=task.folder, with_alpha=False)
    files += [] if files and learned(task.row) else [task.prediction]
    around = witnesses_of(image, predictions=[_read(path) for path in files], valid=truth.valid)
    return hear(truth.mask, witnesses=around, other=None if other is None else _label(other), number=number)


def _label(task: _Task) -> Mask:
    return read_truth(task.row, folder=task.folder, with_alpha=False).mask


def _support(task: _Task, *, mask: Mask) -> float | None:
    image = _image(task)
    if image is None:
        return None
    if image.shape[:2] != mask.shape:
        image = np.asarray(cv2.resize(image, (mask.shape[1], mask.shape[0]), interpolation=cv2.INTER_AREA), np.uint8)
    return outline_support(image, mask)


def _image(task: _Task) -> Image | None:
    try:
        path = named_file(task.folder, task.row["image"])
        return decode_image(read_file(path), file=str(path))
    except BadRecord:
        return None  # it was there when it was predicted, maybe in an earlier run


def _read(path: Path) -> Gray:
    return decode_gray(read_file(path), file=str(path))
