"""What `curate predict` does, from the inputs to what is told of them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curation.errors import ConfigurationProblem
from curation.matting.pymatting_door import compile_once
from curation.storage.claimed_folder import lock_file
from curation.storage.files import fingerprint_file, write_bytes
from curation.storage.lock import exclusive
from models.prediction.checks.real_pictures import Sample, few
from models.prediction.edges import refuse_edge
from models.prediction.prepare import prepare
from models.prediction.ready_model import ReadyModel
from pipelines.command_line.options import Result, RunOptions
from pipelines.photos.inputs import Inputs
from pipelines.photos.kinds import Kind, Showing
from pipelines.photos.made_files import MadeFiles, Making, settings_with_model
from pipelines.photos.photographs import Photograph, dry_run_result, result_of
from pipelines.photos.predict_images import image_targets, predict_images
from pipelines.photos.predict_videos import Waiting, look_at, predict_videos, tell, video_targets
from pipelines.photos.video_work import Look

Looked = list[tuple[Photograph, Look]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for besides what is shown; `lasting_s` is how long what was seen lasts, None without smoothing."""

    model: Path
    out: Path
    background: str
    lasting_s: float | None


def predict_all(given: Inputs, *, wanted: Wanted, showing: Showing, run: RunOptions) -> Result:
    """Predict all images, then all videos, and return what became of them; nothing is written before all is checked."""
    looks = look_at([one.file for one in given.videos], run=run)
    looked = [(one, look) for one, look in zip(given.videos, looks) if look.broken is None]
    model = _model(wanted.model, given=given, looked=looked, run=run)
    _refuse_what_does_not_fit(showing, model=model)
    if showing.edge == "matting" or model.card.is_trimap or "cutout" in showing.kinds:
        compile_once()
    broken = [*given.images.broken, *(look.broken for look in looks if look.broken is not None)]
    with exclusive(lock_file(wanted.out)):
        made = MadeFiles(command="predict", out=wanted.out, overwrite=run.overwrite, broken=broken)
        plan = _Plan(wanted=wanted, showing=showing, model=model, made=made)
        return _made(given, looked=looked, plan=plan, run=run)


def _made(given: Inputs, *, looked: Looked, plan: _Plan, run: RunOptions) -> Result:
    made, model, showing = plan.made, plan.model, plan.showing
    images = plan.images(given.images.chosen)
    videos, kept = plan.videos(looked)
    made.refuse_conflicts_alone(chosen=len(given.images.chosen) + len(given.videos))
    nobody = predict_images(images, model=model, showing=showing, made=made, run=run)
    start = time.monotonic()
    told = predict_videos(videos, model=model, showing=showing, lasting_s=plan.wanted.lasting_s, made=made, run=run)
    seconds = time.monotonic() - start
    lines = [*_image_lines(images, nobody=nobody), *_video_lines([*kept, *told])]
    if (frames := sum(one["frames"] for one in told)) and seconds:
        lines.append(f"  {frames} frames in {seconds:.1f} s: {frames / seconds:.1f} a second")
    more = {"images_without_person": nobody, "videos": [*kept, *told]}
    return result_of(made, given=given.images, lines=lines, **more)


def dry_run_of(given: Inputs, *, out: Path) -> Result:
    """Return the result of a dry run."""
    return dry_run_result(given.images, command="predict", out=out, videos=[one.name for one in given.videos])


def _model(model: Path, *, given: Inputs, looked: Looked, run: RunOptions) -> ReadyModel:
    """Return the model, checked also on some of the images and of the frames; raises what `prepare` raises."""
    with ExitStack() as stack:
        samples = [Sample(file=one.file) for one in few(given.images.chosen)]
        frames = few([frame for _, look in looked for frame in look.samples])
        if frames and not samples:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="curate-frames-")))
            for number, frame in enumerate(frames):
                file = folder / f"{number}.png"
                write_bytes(file, frame)
                samples.append(Sample(file=file))
        return prepare(model, options=run.predicting, samples=samples)


def _refuse_what_does_not_fit(showing: Showing, *, model: ReadyModel) -> None:
    """Raise ConfigurationProblem for what the model cannot give."""
    refuse_edge(showing.edge, model=model)
    if "classes" in showing.kinds and not model.card.class_names:
        raise ConfigurationProblem(
            "--as classes needs a model that names several classes, and this one predicts a person",
            remedy="leave it out, or give a model of `curate train --labels classes`",
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Plan:
    """Which files are made of each input, and how."""

    wanted: Wanted
    showing: Showing
    model: ReadyModel
    made: MadeFiles

    def images(self, chosen: Sequence[Photograph]) -> dict[Photograph, Mapping[Kind, Making]]:
        """Return the images of which files are still to be made, and how they are made."""
        waiting: dict[Photograph, Mapping[Kind, Making]] = {}
        for one in chosen:
            makings = self._makings(one, recorded={})
            targets = image_targets(one, out=self.made.out, showing=self.showing)
            if self.made.is_waiting({targets[kind]: makings[kind] for kind in targets}):
                waiting[one] = makings
        return waiting

    def videos(self, looked: Looked) -> tuple[list[Waiting], list[dict[str, Any]]]:
        """Return the videos that are still to be made, and what there was to say of those that are kept."""
        waiting, kept = [], []
        lasting_s = self.wanted.lasting_s
        for one, look in looked:
            makings = self._makings(one, recorded={} if lasting_s is None else {"smooth": lasting_s})
            targets = video_targets(one, out=self.made.out, showing=self.showing)
            conflicts = len(self.made.broken)
            if self.made.is_waiting({targets[kind]: makings[kind] for kind in targets}):
                waiting.append(Waiting(one=one, targets=targets, makings=makings, frames=look.frames))
            elif len(self.made.broken) == conflicts:
                known = self.made.told_of(next(iter(targets.values())))
                kept.append(tell(one, known, made=self.made) if known else {"file": str(one.file)})
        return waiting, kept

    def _makings(self, one: Photograph, *, recorded: Mapping[str, Any]) -> dict[Kind, Making]:
        makings: dict[Kind, Making] = {}
        for kind in self.showing.kinds:
            shape: dict[str, Any] = {"as": kind, "edge": self.showing.edge, **recorded}
            if kind == "cutout":
                shape["background"] = self._behind()
            told = settings_with_model(self.model, settings=shape)
            makings[kind] = Making(command="predict", sources=(one.file,), settings=told)
        return makings

    def _behind(self) -> Any:
        backdrop = self.showing.backdrop
        return backdrop.colour if backdrop.picture is None else fingerprint_file(Path(self.wanted.background))


def _image_lines(images: Mapping[Photograph, Any], *, nobody: int) -> Iterator[str]:
    if nobody:
        yield f"  {nobody} of {len(images)} images show nobody, says the model"


def _video_lines(videos: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for one in videos:
        if "frames" not in one:
            continue
        cuts = one["scene_cuts"]
        more = f", {cuts} scene cut{'s' if cuts != 1 else ''}" if cuts else ""
        nobody = f", {one['frames_without_person']} without a person" if one["frames_without_person"] else ""
        frames = "1 frame" if one["frames"] == 1 else f"{one['frames']} frames"
        yield f"  {one['file']}: {frames}, {one['seconds']:.2f} s{nobody}; {_flicker(one)}{more}"


def _flicker(one: Mapping[str, Any]) -> str:
    """Return the flicker score in words.

    >>> _flicker({"flicker": 0.001, "flicker_without_smooth": 0.004})
    'flicker 0.00100 (0.00400 without --smooth)'
    >>> _flicker({"flicker": None, "frames": 1})
    'no flicker score: it is one frame'
    """
    if one["flicker"] is None:
        return "no flicker score: " + ("it is one frame" if one["frames"] == 1 else "nothing in it stays still")
    raw = one["flicker_without_smooth"]
    return f"flicker {one['flicker']:.5f}" + (f" ({raw:.5f} without --smooth)" if raw != one["flicker"] else "")
