"""Frames as a player shows them: at their times, upright, and what is broken is told."""

from __future__ import annotations

from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from curation.errors import EnvironmentProblem
from curation.quarantine import BadRecord, Code
from curation.videos import door
from curation.videos.read import Damage, Frame, VideoFacts, open_video
from tests.drawn_videos import (
    MATRICES,
    SIZE,
    frame_with_person,
    turned_for_display,
    with_a_hole,
    write_sound,
    write_video,
)


def drawn(number: int) -> list[np.ndarray]:
    return [frame_with_person(index)[0] for index in range(number)]


def read(path: Path) -> tuple[list[Frame], Damage, VideoFacts]:
    with closing(open_video(path)) as video:
        return list(video.frames()), video.damage, video.facts


def test_frames_of_a_variable_rate_keep_their_times(tmp_path: Path) -> None:
    pts = [40, 73, 90, 400, 401, 1000]
    path = write_video(tmp_path / "a.mkv", drawn(6), pts=pts, time_base=Fraction(1, 1000), sound=None)
    frames, damage, facts = read(path)
    assert [frame.pts * facts.time_base for frame in frames] == [Fraction(one, 1000) for one in pts]
    assert damage.told() == damage.notes() == []


@pytest.mark.parametrize("name", MATRICES)
def test_a_video_is_read_as_it_is_displayed(name: str, tmp_path: Path) -> None:
    picture = np.zeros((*SIZE, 3), np.uint8)
    picture[:8, :16] = 255  # a corner that tells where it went
    path = turned_for_display(write_video(tmp_path / "a.mp4", [picture] * 2), matrix=MATRICES[name])
    frames, _, facts = read(path)
    expected = {
        "upright": picture,
        "a quarter to the right": np.rot90(picture, -1),
        "upside down": np.rot90(picture, 2),
        "a quarter to the left": np.rot90(picture, 1),
        "in a mirror": picture[:, ::-1],
    }[name]
    assert facts.size == expected.shape[:2] == frames[0].image.shape[:2]
    assert np.abs(frames[0].image.astype(int) - expected).mean() < 3


@pytest.mark.parametrize("height", [48, 720])
def test_colours_come_back(height: int, tmp_path: Path) -> None:
    """The encoder writes BT.601, and says nothing of it; players take large videos for BT.709."""
    picture = np.full((height, 64, 3), (120, 120, 120), np.uint8)
    frames, _, _ = read(write_video(tmp_path / "a.mp4", [picture], sound=None))
    assert np.abs(frames[0].image.astype(int) - 120).max() <= 2


def test_a_file_without_its_index_is_said_to_be_cut_off(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", drawn(30))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BadRecord, match="index") as told:
        open_video(path)
    assert told.value.code is Code.TRUNCATED


@pytest.mark.parametrize(("name", "options"), [("a.mp4", {"movflags": "faststart"}), ("a.mkv", {})])
def test_of_a_file_that_is_cut_off_the_frames_before_are_read_and_the_rest_is_told(
    name: str, options: dict[str, str], tmp_path: Path
) -> None:
    whole = write_video(tmp_path / name, drawn(120), options=options, sound=None)
    path = tmp_path / f"cut-{name}"
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    frames, damage, _ = read(path)
    before = {frame.pts: frame.image for frame in read(whole)[0]}
    assert 10 < len(frames) < 100
    assert all(np.array_equal(frame.image, before[frame.pts]) for frame in frames)
    assert damage.is_cut_off and any("cut off" in line for line in damage.told())


def test_subtitles_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text("1\n00:00:00,100 --> 00:00:00,300\nHello\n\n")
    whole = write_video(tmp_path / "a.mp4", drawn(10))
    with (
        av.open(str(tmp_path / "b.mkv"), "w") as out,
        av.open(str(whole)) as pictures,
        av.open(str(tmp_path / "a.srt")) as texts,
    ):
        both = {source: [out.add_stream_from_template(one) for one in source.streams] for source in (texts, pictures)}
        for source, streams in both.items():
            for packet in [packet for packet in source.demux() if packet.size]:
                packet.stream = streams[packet.stream.index]
                out.mux(packet)
    frames, _, facts = read(tmp_path / "b.mkv")
    assert len(frames) == 10
    assert facts.notes == ("streams of subtitles that are not written: 1",)


def test_frames_that_a_hole_in_a_file_swallows_are_told(tmp_path: Path) -> None:
    """The decoder says nothing of them: the packet around the hole alone is known to be damaged."""
    path = with_a_hole(write_video(tmp_path / "a.ts", drawn(60)), share=0.4, length=2000)
    frames, damage, _ = read(path)
    assert len(frames) == 58
    assert damage.told() == ["1 packets are damaged, and 0 frames have errors"]


def test_what_is_no_video_is_refused_with_the_reason(tmp_path: Path) -> None:
    write_sound(tmp_path / "sound.mp4")
    (tmp_path / "text.mp4").write_text("hello")
    (tmp_path / "list.mp4").write_text(f"#EXTM3U\n#EXTINF:1,\n{tmp_path}/sound.mp4\n")
    (tmp_path / "none.mp4").write_bytes(b"")
    reasons = {
        "sound": "no moving pictures, but audio",
        "text": "does not open",
        "list": "does not open",
        "none": "is empty",
    }
    for name, reason in reasons.items():
        with pytest.raises(BadRecord, match=reason) as told:
            open_video(tmp_path / f"{name}.mp4")
        assert told.value.code is Code.NO_VIDEO, name
    with pytest.raises(BadRecord) as told:
        open_video(tmp_path / "gone.mp4")
    assert told.value.code is Code.MISSING_FILE


def test_without_pyav_the_package_is_named_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "find_spec", lambda _: None)
    with pytest.raises(EnvironmentProblem, match="`av`") as told:
        door.require_av(Path("a.mp4"))
    assert "pip install" in told.value.remedy


def test_a_video_is_known_by_its_name_or_its_first_bytes(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", drawn(2), sound=None)
    bare = tmp_path / "upload"
    bare.write_bytes(path.read_bytes())
    (tmp_path / "b.txt").write_text("hello")
    assert [door.is_video(tmp_path / name) for name in ("a.mp4", "upload", "b.txt", "gone.mov", "gone")] == [
        True,
        True,
        False,
        True,
        False,
    ]
