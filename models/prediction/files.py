"""Predictions over many image files: in order, whatever crashes, and with as much in memory for many as for few."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from curation.quarantine import BadRecord, Code
from models.prediction.crew import Crew, Lost
from models.prediction.engine_worker import FileResult, results_of
from models.prediction.preparing import prepare
from models.prediction.protocol import EngineOptions, Probability
from models.prediction.ready import ReadyModel
from models.preprocessing import at_size

MAX_TRIES: Final = 2
LOOKAHEAD: Final = 4
"""Results that may wait for an earlier one, as a multiple of the files in hand."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FilePrediction:
    """The probability of person in file number `index`, at the size of its image; or what is broken about it.

    Broken are files that hold no whole image, and images for which the model gives what is not finite
    (MODEL_NONFINITE) or ends its process (WORKER_DIED). `disagreement` is that of the views of the image, None for one.
    `strength` is that of the strongest blob where windows were predicted; `probability` is 1 in it then, 0 elsewhere.
    """

    index: int
    probability: Probability | None
    broken: BadRecord | None
    disagreement: float | None = None
    strength: float | None = None


def predict_files(
    model: Path | ReadyModel, *, files: Sequence[Path], options: EngineOptions
) -> Generator[FilePrediction, None, None]:
    """Give the prediction of every file, in their order; `close()` ends the work early.

    With `options.workers` processes, or with 0 in this process, without isolation. A model that `prepare` gave is not
    checked again.
    Raises at once what `prepare` raises; while it runs, InputRefused when the model gives what is no probability.
    """
    ready = model if isinstance(model, ReadyModel) else prepare(model, options=options)
    if options.workers == 0 or not files:
        return _in_this_process(ready, files=files, options=options)
    return _in_processes(ready, files=files, options=options)


def _in_this_process(
    model: ReadyModel, *, files: Sequence[Path], options: EngineOptions
) -> Generator[FilePrediction, None, None]:
    if not files:
        return
    predictor = model.predictor(
        threads=1,
        with_flips=options.with_flips,
        with_scales=options.with_scales,
        with_windows=options.with_windows,
    )
    tasks = list(enumerate(files))
    for start in range(0, len(tasks), predictor.batch):
        results = results_of(tasks[start : start + predictor.batch], predictor=predictor)
        yield from map(_prediction, sorted(results, key=lambda result: result.index))


def _in_processes(
    model: ReadyModel, *, files: Sequence[Path], options: EngineOptions
) -> Generator[FilePrediction, None, None]:
    crew = Crew(model, options=options, files=len(files))
    work = _Work(files, most=LOOKAHEAD * crew.size * crew.depth)
    try:
        crew.start()
        while not work.is_done:
            _hand_out(work, crew=crew)
            for event in crew.collect():
                work.note(event)
            yield from map(_prediction, work.next_results())
    finally:
        crew.stop()


def _hand_out(work: _Work, *, crew: Crew) -> None:
    """Give members files up to their depth; with a suspect nothing else, so that it is known what ends a process."""
    for member in crew.with_room():
        if not member.in_hand and (index := work.suspect()) is not None:
            crew.give(member, index=index, file=work.files[index], alone=True)
        while crew.has_room(member) and (index := work.fresh()) is not None:
            crew.give(member, index=index, file=work.files[index])


class _Work:
    """What is still to do, and what is done but waits for an earlier file; `most` files at a time are in between."""

    def __init__(self, files: Sequence[Path], *, most: int) -> None:
        self.files = files
        self._most = most
        self._next = 0
        self._given = 0
        self._suspects: deque[int] = deque()
        self._tries: Counter[int] = Counter()
        self._results: dict[int, FileResult] = {}

    @property
    def is_done(self) -> bool:
        return self._given == len(self.files)

    def fresh(self) -> int | None:
        """Give the next file that nobody had yet, unless too many wait."""
        if self._next == len(self.files) or self._next - self._given >= self._most:
            return None
        self._next += 1
        return self._next - 1

    def suspect(self) -> int | None:
        """Give a file that a process had in hand when it ended."""
        return self._suspects.popleft() if self._suspects else None

    def note(self, event: FileResult | Lost) -> None:
        """Keep a result; of what was lost, try each file alone, and set aside what is lost alone too."""
        if isinstance(event, FileResult):
            self._results[event.index] = event
            return
        for index in event.indices:
            self._tries[index] += len(event.indices) == 1
            if self._tries[index] < MAX_TRIES:
                self._suspects.append(index)
            else:
                problem = BadRecord(Code.WORKER_DIED, event.reason, file=self.files[index])
                self._results[index] = FileResult(index=index, broken=problem)

    def next_results(self) -> Iterator[FileResult]:
        """Give the results whose turn it is."""
        while self._given in self._results:
            self._given += 1
            yield self._results.pop(self._given - 1)


def _prediction(result: FileResult) -> FilePrediction:
    if result.probability is None:
        return FilePrediction(index=result.index, probability=None, broken=result.broken)
    probability = at_size(result.probability, size=result.size)
    return FilePrediction(
        index=result.index,
        probability=probability,
        broken=None,
        disagreement=result.disagreement,
        strength=result.strength,
    )
