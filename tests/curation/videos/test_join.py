"""Segments joined to a video: PyAV reads back the same pixels at the same times, with the same sound."""

from __future__ import annotations

from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from curation.videos.encode import COLOURS, GRAY, TRANSPARENT, Encoder, Form, Packet, Track
from curation.videos.join import join
from curation.videos.read import VideoFacts, open_video
from tests.drawn_videos import frame_with_person, grays_of, sound_of, times_of, with_a_hole, write_video

PTS = [100, 600, 650, 2000, 2001, 3000]


def source(folder: Path, *, name: str = "source.mp4", sound: str = "aac") -> Path:
    frames = [frame_with_person(number)[0] for number in range(len(PTS))]
    return write_video(folder / name, frames, pts=PTS, time_base=Fraction(1, 16000), sound=sound)


def facts_of(path: Path) -> VideoFacts:
    with closing(open_video(path)) as video:
        return video.facts


def packets(pictures: list[np.ndarray], track: Track, *, pts: list[int]) -> list[Packet]:
    """Return the packets of two segments."""
    found = []
    for part in (slice(0, 3), slice(3, None)):
        encoder = Encoder(track)
        for picture, time in zip(pictures[part], pts[part]):
            encoder.add(picture, pts=time, duration=50)
        found += encoder.end()
    return found


def made(folder: Path, pictures: list[np.ndarray], form: Form, *, of: Path) -> tuple[Path, tuple[str, ...]]:
    facts = facts_of(of)
    track = Track(form=form, size=(pictures[0].shape[0], pictures[0].shape[1]), facts=facts)
    target = folder / f"made{form.suffix}"
    pts = [int(time / facts.time_base) for time in times_of(of)]
    return target, join(target, packets=packets(pictures, track, pts=pts), track=track, sound_of=of)


def test_gray_values_times_and_sound_are_those_of_before(tmp_path: Path) -> None:
    of = source(tmp_path)
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (48, 64), dtype=np.uint8) for _ in PTS]
    target, notes = made(tmp_path, pictures, GRAY, of=of)
    assert notes == ()
    assert all(np.array_equal(one, two) for one, two in zip(grays_of(target), pictures, strict=True))
    assert times_of(target) == times_of(of)
    assert len(set(np.diff(times_of(of)))) > 3  # the rate varies
    assert sound_of(target) == sound_of(of)
    first = target.read_bytes()
    made(tmp_path, pictures, GRAY, of=of)
    assert target.read_bytes() == first


@pytest.mark.parametrize("size", [(48, 64), (47, 63)])
def test_colours_come_back_also_of_an_odd_size(size: tuple[int, int], tmp_path: Path) -> None:
    of = source(tmp_path)
    pictures = [frame_with_person(3 * number, size=size)[0] for number in range(len(PTS))]
    target, _ = made(tmp_path, pictures, COLOURS, of=of)
    with av.open(str(target)) as video:
        stream = video.streams.video[0]
        found = [frame.to_ndarray(format="rgb24") for frame in video.decode(stream)]
        assert stream.codec_context.colorspace == 1  # BT.709
    assert all(np.abs(one.astype(int) - two).mean() < 6 for one, two in zip(found, pictures, strict=True))


@pytest.mark.parametrize(("name", "sound"), [("a.mp4", "aac"), ("a.mkv", "flac"), ("a.webm", "libopus")])
def test_an_alpha_comes_back_and_sound_without_a_place_is_encoded(name: str, sound: str, tmp_path: Path) -> None:
    codec = "libvpx" if name.endswith("webm") else "libx264"
    frames = [frame_with_person(number)[0] for number in range(len(PTS))]
    of = write_video(tmp_path / name, frames, codec=codec, sound=sound)
    pictures = [np.dstack(frame_with_person(number)) for number in range(len(PTS))]
    target, notes = made(tmp_path, pictures, TRANSPARENT, of=of)
    with av.open(str(target)) as video:
        found = [frame.to_ndarray(format="rgba") for frame in video.decode(video=0)]
    with av.open(str(target)) as video:
        heard = np.concatenate([frame.to_ndarray()[0] for frame in video.decode(audio=0)])
    for one, two in zip(found, pictures, strict=True):
        assert np.abs(one[..., 3].astype(int) - two[..., 3]).max() <= 1
    assert times_of(target) == times_of(of)
    assert bool(notes) == (sound != "aac") and all("aac" in note for note in notes)
    crossings = np.count_nonzero(np.diff(np.signbit(heard[4800:9600].astype(float))))
    assert crossings == pytest.approx(2 * 440 * 0.1, abs=4)  # 440 Hz for a tenth of a second


ADTS = b"\xff\xf1"
"""With these bits a packet of AAC begins in a transport stream."""


def test_damaged_sound_is_left_out_and_counted(tmp_path: Path) -> None:
    frames = [frame_with_person(number)[0] for number in range(60)]
    of = with_a_hole(write_video(tmp_path / "a.ts", frames), share=0.4, length=2000)
    heard = [data for _, data in sound_of(of)]
    sound = [data for data in heard if data.startswith(ADTS)]
    assert len(heard) - len(sound) == 1  # one begins in the hole
    pictures = [np.full((48, 64), number, np.uint8) for number in range(len(times_of(of)))]
    target, notes = made(tmp_path, pictures, GRAY, of=of)
    assert notes == ("damaged packets of the sound that are left out: 1",)
    assert [len(data) for _, data in sound_of(target)] == [len(data) - 7 for data in sound]  # MP4 has no such heads
    assert len(grays_of(target)) == len(pictures)
