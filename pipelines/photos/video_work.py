"""A video worked on, segment by segment, in a process of its own: decoded, predicted, smoothed, shown, encoded.

The process that did a segment goes on with the next, and remembers. One that begins in the middle reads what was
remembered, and decodes the frames before: no form of video finds the same frame by its time in every file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np

from curation.images.pixels import encode_image
from curation.labels.masks import PERSON_FROM
from curation.quarantine import BadRecord
from curation.videos.encode import COLOURS, GRAY, TRANSPARENT, Encoder, Form, Track, seconds
from curation.videos.join import join
from curation.videos.read import Frame, open_video
from models.card import ModelCard
from models.prediction.edges import Predicted
from models.prediction.outputs import class_map
from models.prediction.predictor import Answer, EnginePredictor
from models.prediction.ready_model import ReadyModel
from models.prediction.video.temporal import Memory, Shares, person_in, shares_of
from models.preprocessing import at_size
from pipelines.photos.kinds import Kind, Picture, Said, Showing, shown
from pipelines.photos.video_parts import (
    SEGMENT,
    Part,
    Tally,
    last_part,
    packets_of,
    part_file,
    read_part,
    told,
    write_part,
)

LOOKED_AT: Final = 8
"""Frames that are shown to a foreign model, one each second, before it is trusted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoTask:
    """A video, and the folder of its parts."""

    file: Path
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoWork:
    """What is done with every video: the model, what is shown, how long what was said lasts (None: no smoothing)."""

    tasks: tuple[VideoTask, ...]
    model: ReadyModel
    showing: Showing
    lasting_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDone:
    """What a segment led to: frames done so far, what is told of the video once it is whole, or why it is not made."""

    frames: int = 0
    told: dict[str, Any] | None = None
    broken: BadRecord | None = None


Step = tuple[int, int]
"""The number of a task, and of a segment of it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Look:
    """What a video is, before it is worked on: its estimated frames, and some of them as PNG; or why it is none."""

    frames: int = 0
    samples: tuple[bytes, ...] = ()
    broken: BadRecord | None = None


def open_look(_: int) -> Callable[[Sequence[Path]], Iterator[Look]]:
    """Return the work that looks at videos."""
    return partial(map, _look)


def _look(file: Path) -> Look:
    try:
        with closing(open_video(file)) as video:
            every = max(1, round(video.facts.rate))
            some = islice(video.frames(), 0, LOOKED_AT * every, every)
            return Look(frames=video.facts.frames, samples=tuple(encode_image(frame.image) for frame in some))
    except BadRecord as problem:
        return Look(broken=problem)


def open_work(threads: int, *, work: VideoWork) -> Callable[[Sequence[Step]], Iterator[StepDone]]:
    """Open the model in this process, and return the work on segments."""
    worker = _Worker(work, predictor=work.model.predictor(threads=threads))
    return partial(map, worker.step)


@dataclass(slots=True, eq=False)
class _Worker:
    work: VideoWork
    predictor: EnginePredictor
    walk: _Walk | None = None
    task: int = -1

    def step(self, step: Step) -> StepDone:
        number, segment = step
        folder = self.work.tasks[number].folder
        try:
            last = last_part(folder)
            if last is not None and segment >= last:
                return StepDone(told=self._finished(number, last)) if segment == last else StepDone()
            if segment and part_file(folder, segment - 1) is None:
                return StepDone()  # what came before it is broken, and told
            if self.walk is None or (self.task, self.walk.segment) != step:
                self._leave()
                self.walk, self.task = (
                    _Walk(self.work, self.work.tasks[number], segment=segment, predictor=self.predictor),
                    number,
                )
            is_last = self.walk.go()
            done = self.walk.tally.frames
            return StepDone(frames=done, told=self._finished(number, segment) if is_last else None)
        except BadRecord as problem:
            self._leave()
            return StepDone(broken=problem)

    def _leave(self) -> None:
        if self.walk is not None:
            self.walk.video.close()
        self.walk = None

    def _finished(self, number: int, last: int) -> dict[str, Any]:
        """Join the parts of a video to files of all kinds beside them; return what there is to say of it."""
        self._leave()
        task = self.work.tasks[number]
        part = read_part(task.folder, last)
        with closing(open_video(task.file)) as video:
            facts = video.facts
        notes: list[str] = []
        for kind in self.work.showing.kinds:
            track = Track(form=form_of(kind, showing=self.work.showing), size=part.sizes[kind], facts=facts)
            target = joined(task.folder, kind, showing=self.work.showing)
            notes += join(target, packets=packets_of(task.folder, kind), track=track, sound_of=task.file)
        found = told(part)
        return found | {"notes": [*found["notes"], *dict.fromkeys(notes)]}


def form_of(kind: Kind, *, showing: Showing) -> Form:
    """Return the form of a video of a kind."""
    if kind in {"mask", "alpha", "classes"}:
        return GRAY
    return TRANSPARENT if kind == "cutout" and showing.backdrop.is_transparent else COLOURS


def joined(folder: Path, kind: Kind, *, showing: Showing) -> Path:
    """Return where the finished video of a kind lies before it gets its name."""
    return folder / f"{kind}{form_of(kind, showing=showing).suffix}"


class _Walk:
    """A way through a video from a segment on."""

    def __init__(self, work: VideoWork, task: VideoTask, *, segment: int, predictor: EnginePredictor) -> None:
        self.work, self.task, self.segment = work, task, segment
        self.predictor = predictor
        self.video = open_video(task.file)
        self.tally = Tally()
        self.memory = Memory(work.lasting_s, is_trimap=work.model.card.is_trimap)
        if segment:
            before = read_part(task.folder, segment - 1)
            self.tally = before.tally
            self.memory.load(before.memory)
        self.memory.flicker = self.tally.flicker  # counted on in one place
        self._frames = self.video.frames()
        for _ in islice(self._frames, segment * SEGMENT):
            pass
        self._next = next(self._frames, None)

    def go(self) -> bool:
        """Do the next segment, and tell whether it was the last."""
        encoders: dict[Kind, Encoder] = {}
        sizes: dict[str, tuple[int, int]] = {}
        for frames in self._batches():
            for frame, answer in zip(frames, self.predictor.raw([one.image for one in frames]), strict=True):
                for kind, picture in self._shown(frame, answer).items():
                    if kind not in encoders:
                        sizes[kind] = picture.shape[0], picture.shape[1]
                        encoders[kind] = self._encoder(kind, picture)
                    encoders[kind].add(picture, pts=frame.pts, duration=frame.duration)
        is_last = self._next is None
        damage, facts = self.video.damage, self.video.facts
        part = Part(
            tracks={kind: encoder.end() for kind, encoder in encoders.items()},
            sizes=sizes,
            memory=self.memory.dump(),
            tally=self.tally,
            broken=tuple(damage.told()) if is_last else (),
            notes=(*facts.notes, *damage.notes()) if is_last else (),
        )
        write_part(self.task.folder, self.segment, part, is_last=is_last)
        self.segment += 1
        return is_last

    def _batches(self) -> Iterator[list[Frame]]:
        """Yield the frames of a segment, as many at once as keep the model busy; one frame is read ahead."""
        left = SEGMENT
        while left and self._next is not None:
            frames = [self._next, *islice(self._frames, min(self.predictor.batch, left) - 1)]
            left -= len(frames)
            self._next = next(self._frames, None)
            yield frames

    def _shown(self, frame: Frame, answer: Answer | None) -> dict[Kind, Picture]:
        tally, card = self.tally, self.work.model.card
        tally.end_s = seconds(frame.pts + frame.duration, facts=self.video.facts)
        if not tally.frames:
            tally.start_s = seconds(frame.pts, facts=self.video.facts)
        tally.frames += 1
        tally.unanswered += answer is None
        shares = nobody(card) if answer is None else shares_of(answer, card=card)
        shares = self.memory.seen(frame.image, shares, time_s=seconds(frame.pts, facts=self.video.facts))
        tally.nobody += not (person_in(shares, is_trimap=card.is_trimap) >= PERSON_FROM).any()
        pictures, notes = shown(
            frame.image,
            said(shares, card=card, size=self.video.facts.size),
            showing=self.work.showing,
            model=self.work.model,
            file=str(self.task.file),
        )
        tally.unrefined += bool(notes)
        return pictures

    def _encoder(self, kind: Kind, picture: Picture) -> Encoder:
        size = picture.shape[0], picture.shape[1]
        return Encoder(Track(form=form_of(kind, showing=self.work.showing), size=size, facts=self.video.facts))


def said(shares: Shares, *, card: ModelCard, size: tuple[int, int]) -> Said:
    """Return shares of classes as a prediction at `size` (height, width)."""
    person = at_size(person_in(shares, is_trimap=card.is_trimap), size=size)
    background = at_size(shares[0], size=size) if card.is_trimap else None
    classes = class_map(shares, size=size) if card.class_names and len(shares) == card.classes else None
    return Said(predicted=Predicted(probability=person, background=background), classes=classes)


def nobody(card: ModelCard) -> Shares:
    """Return the shares of a frame that shows nobody."""
    number = card.classes if card.class_names or card.is_trimap else 2
    shares: Shares = np.zeros((number, *card.input_size), np.float32)
    shares[0] = 1
    return shares
