"""Predictions over many image files: in order, whatever crashes, and with as much in memory for many as for few.

Each process has a runtime of its own on its share of the cores: one over all cores computes no faster than one for each
core, and its threads would wait for the decoding.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from curation.building.engine import WORKER_MEMORY_BYTES, Job, Lost, R, T, Work
from curation.errors import CurateError
from curation.images.pixels import Image, Probability, decode_image
from curation.quarantine import BadRecord, Code
from curation.storage.files import read_file
from models.card import ModelCard
from models.prediction.output_axes import WrongShape
from models.prediction.outputs import class_map, class_probabilities
from models.prediction.predictor import Answer, EnginePredictor
from models.prediction.prepare import prepare
from models.prediction.protocol import EngineOptions
from models.prediction.ready_model import ReadyModel
from models.preprocessing import at_size

MAX_PROCESSES: Final = 16
"""Each holds the model; with more cores, each process computes with several."""
MAX_GPU_PROCESSES: Final = 4
"""They share the GPU; decoding is what they do side by side."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FilePrediction:
    """The probability of person in file number `index`, at the size of its image; or what is broken about it.

    Of a model of three classes `background` is that of the background. Where they were asked for, `classes` is the
    likeliest part of a person at each pixel, (h, w) uint8.
    Broken are files that hold no whole image, and images for which the model gives what is not finite
    (MODEL_NONFINITE) or ends its process (WORKER_DIED). `disagreement` is that of the views of the image, None for one.
    `strength` is that of the strongest blob where windows were predicted; `probability` is 1 in it then, 0 elsewhere.
    """

    index: int
    probability: Probability | None
    broken: BadRecord | None
    disagreement: float | None = None
    strength: float | None = None
    background: Probability | None = None
    classes: NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Predicted:
    """An answer, the size (height, width) of its image, and its class map."""

    answer: Answer
    size: tuple[int, int]
    classes: NDArray[np.uint8] | None = None


FileResult = _Predicted | BadRecord
Found = tuple[Path, Image] | BadRecord


def predict_files(
    model: Path | ReadyModel, *, files: Sequence[Path], options: EngineOptions
) -> Generator[FilePrediction, None, None]:
    """Return the prediction of every file, in their order; `close()` ends the work early.

    With `options.workers` processes, or with 0 in this process, without isolation. A model that `prepare` gave is not
    checked again.
    Raises at once what `prepare` raises; while it runs, InputRefused when the model gives what is no probability.
    """
    ready = model if isinstance(model, ReadyModel) else prepare(model, options=options)
    return _predictions(ready, files=files, options=options)


def _predictions(
    model: ReadyModel, *, files: Sequence[Path], options: EngineOptions
) -> Generator[FilePrediction, None, None]:
    job = _job(partial(_opened, model=model, options=options), model=model, options=options)
    results = options.engine.run(job, files)
    with closing(results):
        for index, result in results:
            yield _prediction(index, result, file=files[index])


def predict_then(
    model: ReadyModel,
    *,
    pairs: Sequence[tuple[Path, T]],
    then: Callable[[T, FilePrediction], R],
    options: EngineOptions,
) -> Generator[R, None, None]:
    """Yield what `then` makes of each file's prediction and of what the file is paired with, in their order.

    It is called where the file is predicted, so that no prediction travels between machines; it must be picklable.
    Raises as `predict_files` does, and what `then` raises.
    """
    opened = partial(_opened_then, model=model, then=then, options=options)
    results = options.engine.run(_job(opened, model=model, options=options), pairs)
    with closing(results):
        for index, result in results:
            file, other = pairs[index]
            yield then(other, _prediction(0, result, file=file)) if isinstance(result, Lost) else result


def _job(open_: Callable[[int], Work[Any, Any]], *, model: ReadyModel, options: EngineOptions) -> Job[Any, Any]:
    on_cpu = model.device == "cpu"
    return Job(
        open=open_,
        workers=options.workers,
        first_s=options.item_timeout_s,
        more_s=options.item_timeout_s,
        chunk=model.batch,
        memory_bytes=WORKER_MEMORY_BYTES + 8 * model.size if on_cpu else resource.RLIM_INFINITY,
        max_processes=MAX_PROCESSES if on_cpu else MAX_GPU_PROCESSES,
        keeps_order=True,
        folder=options.folder,
        needs_gpu=not on_cpu,
    )


def _opened_then(
    threads: int, *, model: ReadyModel, then: Callable[[T, FilePrediction], R], options: EngineOptions
) -> Work[tuple[Path, T], R]:
    return partial(_then, _opened(threads, model=model, options=options), then)


def _then(
    work: Callable[[Sequence[Path]], Iterator[FileResult]],
    then: Callable[[T, FilePrediction], R],
    pairs: Sequence[tuple[Path, T]],
) -> Iterator[R]:
    results = work([file for file, _ in pairs])
    for (file, other), result in zip(pairs, results, strict=True):
        yield then(other, _prediction(0, result, file=file))


def _opened(
    threads: int, *, model: ReadyModel, options: EngineOptions
) -> Callable[[Sequence[Path]], Iterator[FileResult]]:
    predictor = model.predictor(
        threads=threads,
        with_flips=options.with_flips,
        with_scales=options.with_scales,
        with_windows=options.with_windows,
    )
    return partial(_results, predictor, model.file, classes_of=model.card if options.with_classes else None)


def _results(
    predictor: EnginePredictor, model: Path, files: Sequence[Path], *, classes_of: ModelCard | None
) -> Iterator[FileResult]:
    """Yield the result of each file. Raises InputRefused when the model gives what is no probability."""
    found = [_read(file) for file in files]
    images = [one[1] for one in found if isinstance(one, tuple)]
    answers: Sequence[Answer | Exception | None]
    try:
        answers = predictor.raw(images)
    except CurateError as error:
        if not isinstance(error, WrongShape):
            error.where = error.where or str(model)
            raise
        answers = [error] * len(images)
    except Exception as error:  # noqa: BLE001 - runtimes raise whatever they like, and one image must not stop a run
        answers = [error] * len(images)
    left = iter(answers)
    for one in found:
        yield one if isinstance(one, BadRecord) else _result(*one, answer=next(left), classes_of=classes_of)


def _read(file: Path) -> Found:
    try:
        return file, decode_image(read_file(file), file=str(file))
    except BadRecord as problem:
        return problem
    except (OSError, MemoryError) as error:
        return _unexpected(error, file=file)


def _result(file: Path, image: Image, *, answer: Answer | Exception | None, classes_of: ModelCard | None) -> FileResult:
    if answer is None:
        return BadRecord(Code.MODEL_NONFINITE, "the model gives numbers that are not finite", file=file)
    if isinstance(answer, WrongShape):
        return BadRecord(Code.MODEL_NONFINITE, answer.reason, file=file)
    if isinstance(answer, Exception):
        return _unexpected(answer, file=file)
    size = (image.shape[0], image.shape[1])
    if size[0] * size[1] < answer.probability.size:  # the smaller of the two travels
        background = None if answer.background is None else at_size(answer.background, size=size)
        answer = replace(answer, probability=at_size(answer.probability, size=size), background=background)
    classes = None
    if classes_of is not None and answer.planes is not None:
        classes = class_map(class_probabilities(answer.planes[None], card=classes_of)[0], size=size)
    return _Predicted(answer=replace(answer, planes=None), size=size, classes=classes)


def _prediction(index: int, result: FileResult | Lost, *, file: Path) -> FilePrediction:
    if isinstance(result, Lost):
        result = BadRecord(Code.WORKER_DIED, result.reason, file=file)
    if isinstance(result, BadRecord):
        return FilePrediction(index=index, probability=None, broken=result)
    answer = result.answer
    return FilePrediction(
        index=index,
        probability=at_size(answer.probability, size=result.size),
        broken=None,
        disagreement=answer.disagreement,
        strength=answer.strength,
        background=None if answer.background is None else at_size(answer.background, size=result.size),
        classes=result.classes,
    )


def _unexpected(error: Exception, *, file: Path) -> BadRecord:
    if isinstance(error, MemoryError):
        return BadRecord(Code.WORKER_DIED, "the process ran out of memory", file=file)
    return BadRecord(Code.UNEXPECTED, f"{type(error).__name__}: {' '.join(str(error).split())[:300]}", file=file)
