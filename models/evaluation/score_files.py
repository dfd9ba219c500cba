"""Samples scored with a model: predictions come in order, threads score them beside the next prediction."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias, runtime_checkable

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from curation.building.engine import R, T
from curation.dataset.chosen_rows import column_of, rows_kept
from curation.images.pixels import Gray, Image, Probability, decode_image, encode_gray
from curation.matting.from_probability import trimap_of_classes
from curation.quarantine import BadRecord, Code, QuarantineRecord
from curation.sequences import Mapped
from curation.storage.checksums import check_digest
from curation.storage.files import named_file, read_file, safe_join, write_bytes
from curation.storage.safe_id import SafeId
from models.data.truth import Truth, has_truth, read_truth
from models.evaluation.score_image import edge_scores, score_image, trimap_columns
from models.evaluation.score_table import PREDICTIONS, Score
from models.preprocessing import at_size

if TYPE_CHECKING:
    from models.prediction.predict_files import FilePrediction

STAGE: Final = "score"
Precision: TypeAlias = Literal["fp32", "fast"]
Row: TypeAlias = Mapping[str, Any]
"""One row of a manifest."""
Observed: TypeAlias = dict[str, float | None]
Observe: TypeAlias = Callable[[Gray, Truth], Observed]
"""Gives what else is to be kept of a labelled sample, from the prediction as it is stored and the truth."""


Refine: TypeAlias = "Callable[[Image, FilePrediction], Probability]"
"""Gives the alpha (h, w), 0..1, of an image, from what a model predicts of it."""


class PredictFiles(Protocol):
    """Predicts the person in image files, in their order; `close()` of what it gives ends the work early."""

    def __call__(self, files: Sequence[Path], *, precision: Precision) -> Generator[FilePrediction, None, None]:
        """Return one prediction for each file."""


@runtime_checkable
class PredictsElsewhere(Protocol):
    """Predicts image files on other machines, where `is_elsewhere`, and can have work done there that follows."""

    @property
    def is_elsewhere(self) -> bool:
        """Whether other machines predict."""

    def each(
        self, pairs: Sequence[tuple[Path, T]], *, then: Callable[[T, FilePrediction], R], precision: Precision
    ) -> Generator[R, None, None]:
        """Yield what `then` makes of each prediction and what its file is paired with."""


class ScoredImage(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one sample: its score, or, where it is broken, none; and the lines for `quarantine.jsonl`.

    `observed` is there for labelled samples that were scored with something to observe.
    """

    id: SafeId
    score: Score | None
    observed: Observed | None = None
    records: tuple[QuarantineRecord, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringPlace:
    """Samples come from the folder `dataset`, which is called `name`; predictions go to `out/predictions/<id>.png`.

    `with_alpha` also measures matting errors, edges and trimaps, several times the work of all other scores. `observe`
    is asked of each labelled sample while its arrays are in memory. `refine` gives what is scored in place of a
    prediction.
    """

    dataset: Path
    name: str
    out: Path
    with_alpha: bool = True
    observe: Observe | None = None
    refine: Refine | None = None


def score_rows(
    rows: Sequence[Row], *, place: ScoringPlace, predict: PredictFiles, precision: Precision, workers: int
) -> Generator[ScoredImage, None, None]:
    """Yield what becomes of each row of a manifest, in their order; `workers` threads score (0: this one).

    Raises what stops a run: a full disk, a model that is refused.
    """
    is_sound, broken = _with_names(rows, place=place)
    yield from broken
    rows = rows_kept(rows, is_sound) if broken else rows
    if not rows:
        return
    if isinstance(predict, PredictsElsewhere) and predict.is_elsewhere:
        score = partial(_score_there, place=place)
        pairs = Mapped(rows, lambda row: (place.dataset / row["image"], row))
        with closing(predict.each(pairs, then=score, precision=precision)) as scored_there:
            yield from scored_there
        return
    with closing(predict(Mapped(rows, lambda row: place.dataset / row["image"]), precision=precision)) as found:
        predicted = ((rows[prediction.index], prediction) for prediction in found)
        if workers == 0:
            yield from (_score_one(row, prediction, place) for row, prediction in predicted)
        else:
            yield from _in_threads(predicted, place=place, workers=workers)


def _in_threads(
    pairs: Iterable[tuple[Row, FilePrediction]], *, place: ScoringPlace, workers: int
) -> Iterator[ScoredImage]:
    waiting: deque[Future[ScoredImage]] = deque()
    with _one_opencv_thread(), ThreadPoolExecutor(workers, thread_name_prefix="score") as pool:
        try:
            for row, prediction in pairs:
                waiting.append(pool.submit(_score_one, row, prediction, place))
                if len(waiting) > 2 * workers:  # so that predictions do not pile up in memory
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def _one_opencv_thread() -> Iterator[None]:
    """Let OpenCV compute in the thread that calls it: more, beside processes that predict, only wait for each other."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _score_one(row: Row, prediction: FilePrediction, place: ScoringPlace) -> ScoredImage:
    """Score one sample and write its prediction; what is broken about it is set aside."""
    problem = prediction.broken
    if problem is not None and problem.code is not Code.MODEL_NONFINITE:
        return _set_aside(problem, row=row, place=place)
    try:
        path = named_file(place.dataset, row["image"])
        data = read_file(path)
        check_digest(data, expected=row.get("sha256"), file=path, field="sha256")
        is_labelled = has_truth(row)
        truth = read_truth(row, folder=place.dataset, with_alpha=place.with_alpha) if is_labelled else None
        probability = prediction.probability
        if place.refine is not None and probability is not None:
            probability = place.refine(decode_image(data, file=str(path)), prediction)
    except BadRecord as error:
        return _set_aside(error, row=row, place=place)
    score, stored = score_image(probability, truth=truth, row=row, dataset=place.name)
    if stored is None:
        problem = problem or BadRecord(Code.MODEL_NONFINITE, "the model gives numbers that are not finite")
        return ScoredImage(id=row["id"], score=score, records=(_record(problem, row=row, place=place),))
    more = _edge_and_trimap(stored, prediction=prediction, truth=truth) if place.with_alpha and truth else {}
    score = msgspec.structs.replace(score, view_disagreement=prediction.disagreement, **more)
    write_bytes(prediction_path(place.out, sample_id=row["id"]), encode_gray(stored))
    observed = None if truth is None or place.observe is None else place.observe(stored, truth)
    return ScoredImage(id=row["id"], score=score, observed=observed)


def _score_there(row: Row, prediction: FilePrediction, *, place: ScoringPlace) -> ScoredImage:
    return _score_one(row, prediction, place)


def _edge_and_trimap(stored: Gray, *, prediction: FilePrediction, truth: Truth) -> dict[str, Any]:
    found: dict[str, Any] = edge_scores(stored, truth=truth)
    person, background = prediction.probability, prediction.background
    if background is not None and person is not None and truth.trimap is not None:
        size = (truth.mask.shape[0], truth.mask.shape[1])
        trimap = trimap_of_classes(at_size(background, size=size), person=at_size(person, size=size))
        found |= trimap_columns(trimap, truth=truth)
    return found


def prediction_path(folder: Path, *, sample_id: str) -> Path:
    """Return where the prediction of a sample lies; raises BadRecord for an id that is no file name."""
    return safe_join(folder / PREDICTIONS, f"{sample_id}.png")


def _with_names(rows: Sequence[Row], *, place: ScoringPlace) -> tuple[NDArray[np.bool_], list[ScoredImage]]:
    """Return which rows name files in the places where these belong, and the others, set aside."""
    is_sound, broken = np.ones(len(rows), np.bool_), []
    for number, (id_, image) in enumerate(zip(column_of(rows, "id"), column_of(rows, "image"), strict=True)):
        try:
            prediction_path(place.out, sample_id=id_)
            named_file(place.dataset, image)
        except BadRecord as problem:
            is_sound[number] = False
            broken.append(_set_aside(problem, row={"id": id_, "image": image}, place=place))
    return is_sound, broken


def _set_aside(problem: BadRecord, *, row: Row, place: ScoringPlace) -> ScoredImage:
    return ScoredImage(id=row["id"], score=None, records=(_record(problem, row=row, place=place),))


def _record(problem: BadRecord, *, row: Row, place: ScoringPlace) -> QuarantineRecord:
    return problem.record(stage=STAGE, file=place.dataset / str(row["image"]), record_id=row["id"])
