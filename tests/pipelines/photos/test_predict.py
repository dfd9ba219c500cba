"""`curate predict` on drawn images and videos, with a model that says what is red is a person."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import click
import cv2
import numpy as np
import PIL.Image
import pytest

from curation.errors import ConfigurationProblem, EnvironmentProblem, InputRefused
from curation.videos import door
from pipelines.command_line.options import Result, RunOptions
from pipelines.photos import predict_videos, video_parts, video_work
from pipelines.photos.predict import PredictFlags, predict
from tests.drawn_videos import (
    MATRICES,
    frame_with_person,
    grays_of,
    sound_of,
    times_of,
    turned_for_display,
    write_sound,
    write_video,
)
from tests.models.classes_onnx import write_classes_onnx
from tests.models.tiny_onnx import write_tiny_onnx
from tests.pipelines.commands import difference, tree
from tests.pipelines.photos.test_photographs import photo, saved


def made(*inputs: Path, model: Path, out: Path, **options: Any) -> Result:
    names = {"as_", "edge", "background", "smooth", "smooth_time"}
    how = {name: options.pop(name) for name in names.intersection(options)}
    flags = PredictFlags(inputs=inputs, model=model, out=out, **how)
    return predict(flags, run=RunOptions(workers=0, quiet=True, **options))


def video(path: Path, *, frames: int = 60, **how: Any) -> Path:
    return write_video(path, [frame_with_person(number)[0] for number in range(frames)], **how)


def codes(result: Result) -> dict[str, str]:
    return {Path(line["file"]).name: line["code"] for line in result.data["quarantine"]}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_onnx(tmp_path / "tiny.onnx")


def test_a_folder_of_images_and_videos_with_broken_ones_among_them(model: Path, tmp_path: Path) -> None:
    given = tmp_path / "in"
    saved(given / "a.png", photo())
    saved(given / "deep" / "nobody.png", PIL.Image.new("RGB", (60, 80), (0, 90, 120)))
    (given / "bad.jpg").write_bytes(b"\xff\xd8\xff no")
    moving = video(given / "a.mp4")
    other = video(tmp_path / "other" / "a.mp4", frames=5)
    (given / "text.mov").write_text("no video")
    write_sound(given / "sound.mp4")
    half = given / "half.mp4"
    half.write_bytes(moving.read_bytes()[: moving.stat().st_size // 2])
    out = given / "predicted"  # inside what is read
    result = made(given, other, model=model, out=out, as_=("mask", "alpha", "overlay", "cutout"))
    assert result.exit_code == 3
    told = codes(result)
    assert told.keys() == {"bad.jpg", "text.mov", "sound.mp4", "half.mp4"}
    assert (told["text.mov"], told["sound.mp4"], told["half.mp4"]) == ("NO_VIDEO", "NO_VIDEO", "TRUNCATED")
    with PIL.Image.open(out / "masks" / "a.png") as opened:
        red = np.asarray(photo())[..., 0] >= 127.5
        assert np.mean((np.asarray(opened) == 255) != red) < 0.02  # the model sees 40 x 30 pixels
    with PIL.Image.open(out / "masks" / "deep" / "nobody.png") as opened:
        assert not np.asarray(opened).any()
    assert result.data["images_without_person"] == 1
    for kind, suffix in (("masks", "mp4"), ("alphas", "mp4"), ("overlays", "mp4"), ("cutouts", "mov")):
        file = out / kind / f"a.{suffix}"
        assert times_of(file) == times_of(moving) and sound_of(file) == sound_of(moving)
    masks = grays_of(out / "masks" / "a.mp4")
    for number, mask in enumerate(masks):
        assert set(np.unique(mask)) <= {0, 255}
        assert np.mean(mask != frame_with_person(number)[1]) < 0.04
    frames = {Path(one["file"]).parent.name: one["frames"] for one in result.data["videos"]}
    assert frames == {"in": 60, "other": 5}
    assert len(grays_of(out / "masks" / "a-2.mp4")) == 5  # of the same name, and nothing is lost
    assert not (out / ".curate").exists()
    again = made(given, other, model=model, out=out, as_=("mask", "alpha", "overlay", "cutout"))
    assert again.data["written"] == [] and len(again.data["kept"]) == 4 * 4 and codes(again) == codes(result)
    assert again.data["videos"] == result.data["videos"]
    with pytest.raises(InputRefused, match="smooth"):
        made(moving, model=model, out=out, smooth=True)


def test_a_video_that_is_cut_off_or_not_answered_is_made_as_far_as_it_goes_and_told_each_time(
    model: Path, tmp_path: Path
) -> None:
    whole = video(tmp_path / "whole.mp4", frames=120, options={"movflags": "faststart"}, sound=None)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    frames = [frame_with_person(number)[0] for number in range(6)]
    frames[2] = np.full_like(frames[2], (200, 0, 0))  # without green, the answer of this model is not finite
    unanswered = write_video(tmp_path / "unanswered.mp4", frames)
    for written in (2, 0):
        result = made(cut, unanswered, model=model, out=tmp_path / "out")
        assert result.exit_code == 3 and len(result.data["written"]) == written
        assert codes(result) == {"cut.mp4": "TRUNCATED", "unanswered.mp4": "MODEL_NONFINITE"}
        assert "cut off" in result.summary and "1 of 6 frames" in result.summary
    made_of_cut = times_of(tmp_path / "out" / "masks" / "cut.mp4")
    assert 10 < len(made_of_cut) < 110 and set(made_of_cut) < set(times_of(whole))
    assert [mask.any() for mask in grays_of(tmp_path / "out" / "masks" / "unanswered.mp4")] == [
        number != 2 for number in range(6)
    ]


def test_a_turned_video_is_written_upright(model: Path, tmp_path: Path) -> None:
    file = turned_for_display(video(tmp_path / "a.mp4", frames=3), matrix=MATRICES["a quarter to the right"])
    made(file, model=model, out=tmp_path / "out", as_=("mask", "overlay"))
    expected = np.rot90(frame_with_person(0)[1], -1)
    assert np.mean(grays_of(tmp_path / "out" / "masks" / "a.mp4")[0] != expected) < 0.04
    with av.open(str(tmp_path / "out" / "overlays" / "a.mp4")) as opened:
        assert next(opened.decode(video=0)).rotation == 0


def test_a_background_lies_behind_the_person_and_smoothing_halves_what_flickers(model: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames, texture = [], cv2.resize(rng.integers(40, 220, (12, 16, 2), dtype=np.uint8), (256, 192))
    for _ in range(20):
        frame, mask = frame_with_person(0, size=(192, 256))
        ground = np.dstack([np.full(mask.shape, 126, np.uint8), texture])  # nearly a person
        frame[:] = np.where(mask[..., None] > 0, frame, ground)
        frames.append(np.clip(frame + rng.normal(0, 20, frame.shape), 0, 255).astype(np.uint8))
    file = write_video(tmp_path / "a.mp4", frames)
    how: dict[str, Any] = {"as_": ("cutout", "mask"), "background": "#00FF00", "smooth": True}
    result = made(file, model=model, out=tmp_path / "out", **how)
    (told,) = result.data["videos"]
    assert told["flicker"] <= told["flicker_without_smooth"] / 2 > 0
    assert "without --smooth" in result.summary
    with av.open(str(tmp_path / "out" / "cutouts" / "a.mp4")) as opened:
        picture = next(opened.decode(video=0)).to_ndarray(format="rgb24")
    assert np.abs(picture[128, 64].astype(int) - (230, 60, 60)).max() < 40  # within the person
    with pytest.raises(click.UsageError, match="cut-outs"):
        made(file, model=model, out=tmp_path / "out", background="white")


def test_classes_are_shown_with_a_legend(tmp_path: Path) -> None:
    model = write_classes_onnx(tmp_path / "parser.onnx")
    picture = np.full((80, 60, 3), (0, 200, 0), np.uint8)
    picture[10:40, 20:40], picture[40:, 10:50] = (200, 0, 0), (0, 0, 200)
    saved(tmp_path / "in" / "a.png", PIL.Image.fromarray(picture))
    write_video(tmp_path / "in" / "b.mp4", [picture] * 3)
    made(tmp_path / "in", model=model, out=tmp_path / "out", as_=("mask", "overlay", "classes"))
    expected = np.where(picture[..., 0] > 0, 1, np.where(picture[..., 2] > 0, 2, 0))
    with PIL.Image.open(tmp_path / "out" / "classes" / "a.png") as opened:
        assert np.mean(np.asarray(opened) != expected) < 0.02
    assert np.mean(grays_of(tmp_path / "out" / "classes" / "b.mp4")[0] != expected) < 0.02
    assert np.mean(grays_of(tmp_path / "out" / "masks" / "b.mp4")[0] != 255 * (expected > 0)) < 0.02
    with PIL.Image.open(tmp_path / "out" / "overlays" / "a.jpg") as opened:
        shown = np.asarray(opened)
    assert shown.shape[0] == 80 and shown.shape[1] > 60 + 100  # the legend stands beside it
    assert (shown[:, 60:].astype(int).max(axis=-1) < 110).sum() > 50  # with words in it


def test_what_cannot_be_done_is_refused_before_anything_is_written(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(tmp_path / "in" / "a.png", photo())
    file = video(tmp_path / "in" / "b.mp4", frames=3)
    with pytest.raises(ConfigurationProblem, match="names several classes"):
        made(tmp_path / "in", model=model, out=tmp_path / "out", as_=("classes",))
    with pytest.raises(InputRefused, match="is read"):
        made(tmp_path / "in", model=model, out=tmp_path / "in")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputRefused, match="no image"):
        made(tmp_path / "empty", model=model, out=tmp_path / "out")
    dry = made(tmp_path / "in", model=model, out=tmp_path / "out", dry_run=True)
    assert (dry.data["photographs"], dry.data["videos"]) == (["a"], ["b"])
    limited = made(tmp_path / "in", model=model, out=tmp_path / "out", dry_run=True, limit=1)
    assert (limited.data["videos"], limited.data["filtered"]["limit"]) == ([], [str(file)])
    monkeypatch.setattr(door, "find_spec", lambda _: None)
    with pytest.raises(EnvironmentProblem, match="`av`"):
        made(file, model=model, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


class Stopped(Exception):
    """Stands for a kill."""


@dataclass
class Stopping:
    """An engine that works here, and is stopped after some results of segments, then after some more."""

    stops: list[int]

    def run(self, job: Any, items: Any) -> Any:
        left = self.stops.pop(0) if self.stops and isinstance(items[0], tuple) else 1 << 30
        work = job.open(1)
        for place, item in enumerate(items):
            if place == left:
                raise Stopped
            yield place, next(iter(work([item])))


def test_a_run_that_was_stopped_goes_on_at_its_segment_with_the_same_bytes(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (video_work, predict_videos):
        monkeypatch.setattr(module, "SEGMENT", 8)
    rng = np.random.default_rng(1)
    noisy = [np.clip(frame_with_person(n)[0] + rng.normal(0, 30, (48, 64, 3)), 0, 255) for n in range(20)]
    file = write_video(tmp_path / "a.mp4", [frame.astype(np.uint8) for frame in noisy])
    how: dict[str, Any] = {"as_": ("mask", "overlay"), "smooth": True}
    made(file, model=model, out=tmp_path / "whole", **how)
    engine = Stopping([1, 1])
    for _ in range(3):
        with suppress(Stopped):
            made(file, model=model, out=tmp_path / "stopped", machines=engine, **how)
    assert engine.stops == []
    ours, theirs = (tree(tmp_path / name) for name in ("whole", "stopped"))
    assert difference(ours, theirs) == [] and len(ours) == 4


def test_a_half_written_last_segment_is_no_segment(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    assert video_parts.begin(folder, run="this") == 0
    part = video_parts.Part(tracks={}, sizes={}, memory=b"", tally=video_parts.Tally())
    video_parts.write_part(folder, 0, part, is_last=False)
    (folder / ".writing-000001.last.part").write_bytes(b"half")
    assert video_parts.last_part(folder) is None
    assert video_parts.begin(folder, run="this") == 1
    video_parts.write_part(folder, 1, part, is_last=True)
    assert video_parts.last_part(folder) == video_parts.begin(folder, run="this") == 1
    assert video_parts.begin(folder, run="with other settings") == 0
