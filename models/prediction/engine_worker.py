"""What a process does that predicts: it reads files, decodes, predicts, and sends each result as soon as it has it.

Its messages, in the order of its tasks: READY once the engine is open, then for each task the index and one of a
probability, a broken record, or the error that stops the run. Arrays go as raw bytes behind their shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from curation.errors import CurateError
from curation.files import read_file
from curation.pixels import Image, decode_image
from curation.quarantine import BadRecord, Code
from curation.worker_process import prepare_worker
from models.prediction.output_axes import WrongShape
from models.prediction.predictor import Answer, EnginePredictor
from models.prediction.protocol import Probability
from models.prediction.ready import ReadyModel
from models.preprocessing import at_size

READY: Final = "ready"
Task = tuple[int, Path]
Size = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """How a worker predicts; `memory_bytes` limits its address space (-1: no limit)."""

    parent_pid: int
    threads: int
    with_flips: bool
    with_scales: bool
    with_windows: bool
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FileResult:
    """What became of one file: the probability of person at the size of the model's output, or why there is none.

    `disagreement` is that of the views of the image, None for one alone; `strength` that of the strongest blob where
    windows were predicted.
    """

    index: int
    size: Size = (0, 0)
    probability: Probability | None = None
    disagreement: float | None = None
    strength: float | None = None
    broken: BadRecord | None = None


def serve(pipe: Connection, settings: WorkerSettings) -> None:
    """Predict with the model that comes first through the pipe whatever comes after it, until it is closed."""
    prepare_worker(settings.parent_pid, settings.memory_bytes)
    cv2.setNumThreads(1)  # workers share the cores; threads inside each would only wait for one another
    try:
        model: ReadyModel = pipe.recv()
    except (EOFError, OSError):
        return  # the parent needs no more
    try:
        predictor = model.predictor(
            threads=settings.threads,
            with_flips=settings.with_flips,
            with_scales=settings.with_scales,
            with_windows=settings.with_windows,
        )
        pipe.send(READY)
        while tasks := _next_tasks(pipe, most=predictor.batch):
            for result in results_of(tasks, predictor=predictor):
                send_result(pipe, result)
    except CurateError as error:
        error.where = error.where or str(model.file)
        pipe.send(error)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent needs no more


def results_of(tasks: Sequence[Task], *, predictor: EnginePredictor) -> Iterator[FileResult]:
    """Give the result of each file. Raises InputRefused when the model gives what is no probability."""
    images: list[tuple[Task, Image]] = []
    for index, file in tasks:
        try:
            images.append(((index, file), decode_image(read_file(file), file=str(file))))
        except BadRecord as problem:
            yield FileResult(index=index, broken=problem)
        except (OSError, MemoryError) as error:
            yield FileResult(index=index, broken=_unexpected(error, file=file))
    try:
        found = predictor.raw([image for _, image in images])
    except WrongShape as error:
        for (index, file), _ in images:
            yield FileResult(index=index, broken=BadRecord(Code.MODEL_NONFINITE, error.reason, file=file))
    except CurateError:
        raise
    except Exception as error:  # noqa: BLE001 - runtimes raise whatever they like, and one image must not stop a run
        yield from (FileResult(index=index, broken=_unexpected(error, file=file)) for (index, file), _ in images)
    else:
        for ((index, file), image), answer in zip(images, found):
            yield _result(index, file, image=image, answer=answer)


def send_result(pipe: Connection, result: FileResult) -> None:
    """Send a result; its array as it lies in memory, which costs a tenth of pickling it."""
    probability = result.probability
    shape = None if probability is None else probability.shape
    pipe.send((result.index, result.size, shape, result.disagreement, result.strength, result.broken))
    if probability is not None:
        pipe.send_bytes(np.ascontiguousarray(probability).data.cast("B"))


def receive(pipe: Connection) -> FileResult | CurateError | str:
    """Give the next message of a worker: READY, a result, or what stops the run. Raises EOFError when it died."""
    message: Any = pipe.recv()
    if not isinstance(message, tuple):
        told: CurateError | str = message
        return told
    index, size, shape, disagreement, strength, broken = message
    probability = None if shape is None else np.frombuffer(pipe.recv_bytes(), dtype=np.float32).reshape(shape)
    return FileResult(
        index=index, size=size, probability=probability, disagreement=disagreement, strength=strength, broken=broken
    )


def _result(index: int, file: Path, *, image: Image, answer: Answer | None) -> FileResult:
    size = (image.shape[0], image.shape[1])
    if answer is None:
        problem = BadRecord(Code.MODEL_NONFINITE, "the model gives numbers that are not finite", file=file)
        return FileResult(index=index, size=size, broken=problem)
    probability = answer.probability
    if size[0] * size[1] < probability.size:  # the smaller of the two travels
        probability = at_size(probability, size=size)
    return FileResult(
        index=index,
        size=size,
        probability=probability,
        disagreement=answer.disagreement,
        strength=answer.strength,
    )


def _next_tasks(pipe: Connection, *, most: int) -> list[Task]:
    """Give the next tasks, as many as are there; raises EOFError when there will be none."""
    tasks: list[Task] = [pipe.recv()]
    while len(tasks) < most and pipe.poll():
        tasks.append(pipe.recv())
    return tasks


def _unexpected(error: Exception, *, file: Path) -> BadRecord:
    if isinstance(error, MemoryError):
        return BadRecord(Code.WORKER_DIED, "the process ran out of memory", file=file)
    return BadRecord(Code.UNEXPECTED, f"{type(error).__name__}: {' '.join(str(error).split())[:300]}", file=file)
