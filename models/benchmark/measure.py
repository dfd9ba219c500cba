"""One model in one runtime, measured in a process of its own: nothing that ran before it is in its memory or caches."""

from __future__ import annotations

import os
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from curation.building.engine import Job, Lost
from curation.building.local_engine import LOCAL
from curation.errors import CurateError, EnvironmentProblem
from curation.images.pixels import decode_image
from curation.labels.masks import mask_of
from curation.quarantine import BadRecord
from curation.storage.files import named_file, read_file
from models.benchmark.subjects import Subject
from models.data.truth import read_truth
from models.evaluation.score_image import to_8_bit
from models.faces.packaged import faces_of
from models.metrics.confusion import confusion, image_miou
from models.prediction.checks.probe import probe_image
from models.prediction.engines import Engine
from models.prediction.predictor import EnginePredictor
from models.preprocessing import at_size, normalised, resized

Row: TypeAlias = tuple[Path, Mapping[str, Any]]
"""The folder of a data set, and a row of its manifest."""
WARM_UP: Final = 3
"""Images after the first that do not count: caches fill, and clocks rise."""
LEAST_RUNS: Final = 10
TIMEOUT_S: Final = 24 * 3600.0
"""A large data set is scored within the same process."""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What a model costs in a runtime on a device: seconds in milliseconds, memory and files in bytes.

    `load_ms` is from the files to a network that is ready, the runtime itself already imported; `first_ms` the first
    image. `median_ms` and `p95_ms` are of `runs` images, one by one, `images_per_s` of as many at once as the runtime
    takes. `peak_bytes` is the most that the process held from loading on, `model_bytes` by how much it grew.
    `sha256` is that of the weights, `of` that of the model from which they were exported.
    `miou` is the mean over `scored` images, `std` its population standard deviation; None without data.
    """

    model: str
    path: str
    runtime: str
    device: str
    threads: int
    sha256: str
    of: str | None
    input_size: tuple[int, int]
    load_ms: float
    first_ms: float
    median_ms: float
    p95_ms: float
    least_ms: float
    images_per_s: float
    runs: int
    peak_bytes: int | None
    model_bytes: int | None
    file_bytes: int
    parameters: int | None
    multiply_adds: int | None
    memory_traffic: int | None
    miou: float | None = None
    std: float | None = None
    scored: int = 0
    not_finite: int = 0
    broken: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """How a model is measured: `threads` of the runtime, `runs` images, at most `seconds`, and rows to score."""

    threads: int
    runs: int
    seconds: float
    rows: Sequence[Row] = ()


def measured(subject: Subject, *, task: Task) -> Measured:
    """Return what a model costs, measured in a process of its own.

    Raises EnvironmentProblem when that process ends, and what refuses a model.
    """
    # CUDA reserves more addresses than any limit allows, and so does torch beside several runtimes
    job = Job(
        open=partial(_measuring, task=task),
        workers=1,
        first_s=TIMEOUT_S,
        memory_bytes=resource.RLIM_INFINITY,
        tries=1,
    )
    [(_, outcome)] = LOCAL.run(job, [subject])
    if isinstance(outcome, Lost):
        reason = f"{subject.runtime} ended while it ran the model: {outcome.reason}"
        raise EnvironmentProblem(reason, where=subject.path, remedy="leave it out with --runtime")
    if isinstance(outcome, CurateError):
        raise outcome
    return outcome


def _measuring(_: int, *, task: Task) -> Callable[[Sequence[Subject]], Iterator[Measured | CurateError]]:
    return partial(map, partial(_measure, task=task))


def _measure(subject: Subject, *, task: Task) -> Measured | CurateError:
    """Measure, in a process of its own; what stops the command comes back as a value."""
    try:
        cost = subject.cost()
        _warm(subject)
        before = _memory("VmRSS")
        _forget_peak()
        started = time.perf_counter()
        engine = subject.opened(threads=task.threads)
        load = time.perf_counter() - started
        first, times, rate = _timed(engine, subject=subject, task=task)
        peak = _memory("VmHWM")
    except CurateError as error:
        return error
    except Exception as error:  # noqa: BLE001 - runtimes raise whatever they like
        reason = f"{subject.runtime} does not run it: {' '.join(str(error).split())[:300]}"
        return EnvironmentProblem(reason, where=subject.path, remedy="leave it out with --runtime")
    found = Measured(
        model=subject.name,
        path=subject.path,
        runtime=subject.runtime,
        device=subject.device,
        threads=task.threads,
        sha256=subject.sha256,
        of=subject.of,
        input_size=subject.card.input_size,
        load_ms=1000 * load,
        first_ms=1000 * first,
        median_ms=1000 * statistics.median(times),
        p95_ms=1000 * float(np.percentile(times, 95)),
        least_ms=1000 * min(times),
        images_per_s=rate,
        runs=len(times),
        peak_bytes=peak,
        model_bytes=None if peak is None or before is None else peak - before,
        file_bytes=subject.size,
        parameters=subject.parameters if cost is None or subject.parameters is not None else cost.parameters,
        multiply_adds=None if cost is None else cost.multiply_adds,
        memory_traffic=None if cost is None else cost.memory_traffic,
    )
    return msgspec.structs.replace(found, **_scores(engine, subject=subject, rows=task.rows)) if task.rows else found


def _warm(subject: Subject) -> None:
    """Import what runs the model: that is done once for all models, and is no part of loading one."""
    if subject.runtime == "torch":
        import models.networks.catalogue
        import models.prediction.weights  # noqa: F401
    elif subject.runtime == "onnxruntime":
        import onnxruntime  # type: ignore[import-untyped]  # noqa: F401


def _timed(engine: Engine, *, subject: Subject, task: Task) -> tuple[float, list[float], float]:
    """Return the seconds of the first image and of others, per image, and images a second."""
    card = subject.card
    image = normalised(resized(probe_image(), size=card.input_size), card=card)
    taken = card.batch or 1
    inputs = np.repeat(image[None], taken, axis=0)
    first = _seconds(engine, inputs)
    for _ in range(WARM_UP):
        engine.run(inputs)
    times: list[float] = []
    started = time.perf_counter()
    while len(times) < task.runs and (len(times) < LEAST_RUNS or time.perf_counter() - started < task.seconds):
        times.append(_seconds(engine, inputs) / taken)
    if engine.batch == taken:
        return first, times, len(times) / sum(times)
    many = np.repeat(image[None], engine.batch, axis=0)
    engine.run(many)
    return first, times, engine.batch / statistics.median(_seconds(engine, many) for _ in range(LEAST_RUNS))


def _seconds(engine: Engine, inputs: NDArray[Any]) -> float:
    started = time.perf_counter()
    engine.run(inputs)  # its answer is an array on the processor, so that a GPU has finished too
    return time.perf_counter() - started


def _scores(engine: Engine, *, subject: Subject, rows: Sequence[Row]) -> dict[str, Any]:
    """Return mIoU and its deviation over the rows, counted as `curate evaluate` does, and what is broken."""
    predictor = EnginePredictor(engine, card=subject.card, name=subject.name, faces_of=faces_of(subject.card))
    mious: list[float] = []
    broken: list[str] = []
    not_finite = 0
    for folder, row in rows:
        try:
            path = named_file(folder, row["image"])
            image = decode_image(read_file(path), file=str(path))
            truth = read_truth(row, folder=folder, with_alpha=False)
        except BadRecord as problem:
            broken.append(f"{problem.file or row['id']}: {problem.reason}")
            continue
        answer = predictor.raw([image])[0]
        if answer is None:
            not_finite += 1
            continue
        stored = to_8_bit(at_size(answer.probability, size=(truth.mask.shape[0], truth.mask.shape[1])))
        mious.append(image_miou(confusion(mask_of(stored), truth=truth.mask, valid=truth.valid)))
    return {
        "miou": float(np.mean(mious)) if mious else None,
        "std": float(np.std(mious)) if mious else None,
        "scored": len(mious),
        "not_finite": not_finite,
        "broken": tuple(broken),
    }


def _memory(field: str) -> int | None:
    """Return a field of this process's memory in bytes, None where the system does not tell it."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024
    return None


def _forget_peak() -> None:
    """Have the system count the peak from now on, where it does that."""
    with suppress(OSError):
        asked = os.open("/proc/self/clear_refs", os.O_WRONLY)
        try:
            os.write(asked, b"5")
        finally:
            os.close(asked)
