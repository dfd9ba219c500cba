"""Videos of `curate predict`: looked at, worked on by segments, and put under their names once they are whole."""

from __future__ import annotations

import hashlib
import json
import math
import resource
import shutil
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from curation.building.engine import WORKER_MEMORY_BYTES, Job, Lost
from curation.quarantine import BadRecord, Code
from curation.storage.claimed_folder import WORKSPACE
from curation.storage.files import fingerprint_file
from models.prediction.ready_model import ReadyModel
from pipelines.command_line.options import RunOptions
from pipelines.command_line.progress import progress_bar
from pipelines.photos.kinds import FOLDERS, Kind, Showing
from pipelines.photos.made_files import MadeFiles, Making
from pipelines.photos.photographs import Photograph
from pipelines.photos.video_parts import SEGMENT, begin
from pipelines.photos.video_work import (
    Look,
    Step,
    StepDone,
    VideoTask,
    VideoWork,
    form_of,
    joined,
    open_look,
    open_work,
)

LOOK_S: Final = 120.0
STEP_S: Final = 3600.0
"""A segment of large frames that are matted takes minutes; one in the middle decodes all frames before it first."""
UNKNOWN_STEPS: Final = 10_000
"""Segments that are asked for where a video does not say how long it is; those after its end cost nothing."""
SPARE_STEPS: Final = 2
CUT_HINT: Final = "what could be read is done; copy the file again, and give --overwrite for the rest"
UNANSWERED_HINT: Final = "these frames show nobody; the model is at fault: train it again with a lower learning rate"


@dataclass(slots=True, kw_only=True, eq=False)
class Waiting:
    """A video that is to be made: the files by kind, how they are made, and about how many frames it has."""

    one: Photograph
    targets: Mapping[Kind, Path]
    makings: Mapping[Kind, Making]
    frames: int = 0


def video_targets(one: Photograph, *, out: Path, showing: Showing) -> dict[Kind, Path]:
    """Return the files of a video by kind."""
    folders = {kind: out / FOLDERS[kind] for kind in showing.kinds}
    return {kind: folder / f"{one.name}{form_of(kind, showing=showing).suffix}" for kind, folder in folders.items()}


def look_at(videos: Sequence[Path], *, run: RunOptions) -> list[Look]:
    """Return what each video is, found in a process of its own."""
    if not videos:
        return []
    job: Job[Path, Look] = Job(open=open_look, workers=min(1, run.workers), first_s=LOOK_S, more_s=LOOK_S)
    looks = []
    results = run.machines.run(job, videos)
    with closing(results):
        for index, result in sorted(results, key=lambda one: one[0]):
            died = Look(broken=BadRecord(Code.WORKER_DIED, getattr(result, "reason", ""), file=videos[index]))
            looks.append(died if isinstance(result, Lost) else result)
    return looks


def predict_videos(
    waiting: Sequence[Waiting],
    *,
    model: ReadyModel,
    showing: Showing,
    lasting_s: float | None,
    made: MadeFiles,
    run: RunOptions,
) -> list[dict[str, Any]]:
    """Make all videos, note what is broken, and return what there is to say of each that was made."""
    if not waiting:
        return []
    folders = [made.out / WORKSPACE / "predict" / _short(one.one.name) for one in waiting]
    tasks = tuple(VideoTask(file=one.one.file, folder=folder) for one, folder in zip(waiting, folders))
    work = VideoWork(tasks=tasks, model=model, showing=showing, lasting_s=lasting_s)
    starts = [begin(folder, run=_run_of(one)) for one, folder in zip(waiting, folders)]
    state = _State(waiting=waiting, work=work, made=made, next_step=starts)
    total = sum(one.frames for one in waiting)
    with progress_bar("predict", total=total, run=run, unit="frame") as show:
        while steps := state.steps():
            results = run.machines.run(_job(work, run=run), steps)
            with closing(results):
                for place, result in results:
                    state.note(steps[place], result)
                    show(sum(state.frames.values()))
                    if state.is_over():
                        break
    with suppress(OSError):
        folders[0].parent.rmdir()  # where nothing is left in it
    return [state.found[number] for number in sorted(state.found)]


@dataclass(slots=True, kw_only=True, eq=False)
class _State:
    """Where all videos are: the next segment of each, frames done, what is told of finished ones."""

    waiting: Sequence[Waiting]
    work: VideoWork
    made: MadeFiles
    next_step: list[int]
    frames: dict[int, int] = field(default_factory=dict)
    found: dict[int, dict[str, Any]] = field(default_factory=dict)
    over: set[int] = field(default_factory=set)

    def is_over(self) -> bool:
        return len(self.over) == len(self.waiting)

    def steps(self) -> list[Step]:
        """Return the segments that are left, some more than a video says that it has; they end with it."""
        steps: list[Step] = []
        for number, one in enumerate(self.waiting):
            start = self.next_step[number]
            told = math.ceil(one.frames / SEGMENT) - start + SPARE_STEPS if one.frames else UNKNOWN_STEPS
            if number not in self.over:
                steps += [(number, segment) for segment in range(start, start + max(SPARE_STEPS, told))]
        return steps

    def note(self, step: Step, result: StepDone | Lost) -> None:
        """Note what came of a segment; a video that is whole gets its name."""
        number, segment = step
        if number in self.over:
            return
        task = self.work.tasks[number]
        if isinstance(result, Lost):
            result = StepDone(broken=BadRecord(Code.WORKER_DIED, result.reason, file=task.file))
        self.next_step[number] = segment + 1
        self.frames[number] = max(self.frames.get(number, 0), result.frames)
        if result.broken is not None:
            self.over.add(number)
            self.made.broken.append(result.broken)
            if result.broken.code is not Code.WORKER_DIED:  # of what died, the segments before it are good
                shutil.rmtree(task.folder)
        elif result.told is not None:
            self.over.add(number)
            self.frames[number] = result.told["frames"]
            self.found[number] = self._adopt(self.waiting[number], task.folder, told=result.told)

    def _adopt(self, one: Waiting, folder: Path, *, told: dict[str, Any]) -> dict[str, Any]:
        showing = self.work.showing
        for kind, target in one.targets.items():
            self.made.adopt(target, joined(folder, kind, showing=showing), making=one.makings[kind], told=told)
        shutil.rmtree(folder)
        return tell(one.one, told, made=self.made)


def tell(one: Photograph, told: dict[str, Any], *, made: MadeFiles) -> dict[str, Any]:
    """Note what is broken in a video that was made, now or before, and warnings; return what there is to say of it."""
    file = str(one.file)
    for reason in told.get("broken", ()):
        made.broken.append(BadRecord(Code.TRUNCATED, reason, file=file, hint=CUT_HINT))
    if number := told.get("frames_without_answer"):
        reason = f"the model gives numbers that are not finite for {number} of {told['frames']} frames"
        made.broken.append(BadRecord(Code.MODEL_NONFINITE, reason, file=file, hint=UNANSWERED_HINT))
    if number := told.get("edges_not_refined"):
        made.warnings.append(f"{file}: the edge was not refined in {number} of {told['frames']} frames")
    made.warnings += [f"{file}: {note}" for note in told.get("notes", ())]
    return {"file": file, **told}


def _job(work: VideoWork, *, run: RunOptions) -> Job[Step, StepDone]:
    """Return the work on segments: one process, since each segment needs what is remembered of the one before."""
    on_cpu = work.model.device == "cpu"
    return Job(
        open=partial(open_work, work=work),
        workers=run.workers,
        first_s=STEP_S,
        memory_bytes=WORKER_MEMORY_BYTES + 8 * len(work.model.data) if on_cpu else resource.RLIM_INFINITY,
        max_processes=1,
        keeps_order=True,
        needs_gpu=not on_cpu,
    )


def _run_of(one: Waiting) -> str:
    """Return what unfinished work of a video depends on: its bytes, and all that shapes the result."""
    settings = {kind: making.settings for kind, making in one.makings.items()}
    text = json.dumps([fingerprint_file(one.one.file), SEGMENT, settings], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _short(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:16]
