"""Videos that are drawn: a red person moves over a blue-green ground, with a sine to hear."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

RATE = 48_000
SIZE = (48, 64)
RED, GROUND = (230, 60, 60), (20, 90, 120)
ONE = 0x10000
MATRICES = {
    "upright": (ONE, 0, 0, ONE),
    "a quarter to the right": (0, ONE, -ONE, 0),
    "upside down": (-ONE, 0, 0, -ONE),
    "a quarter to the left": (0, -ONE, ONE, 0),
    "in a mirror": (-ONE, 0, 0, ONE),
}
"""a, b, c, d of the matrix by which players turn a video."""


def frame_with_person(number: int, *, size: tuple[int, int] = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """Return frame `number` (h, w, 3), and the mask of its person."""
    height, width = size
    mask = np.zeros(size, np.uint8)
    middle = (width // 4 + number % (width // 2), height * 2 // 3)
    cv2.ellipse(mask, middle, (width // 6, height // 3), 0, 0, 360, 255, -1)
    return np.where(mask[..., None] > 0, np.uint8(RED), np.uint8(GROUND)), mask


def write_video(
    path: Path,
    frames: Sequence[np.ndarray],
    *,
    pts: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 30),
    codec: str = "libx264",
    sound: str | None = "aac",
    options: dict[str, str] | None = None,
) -> Path:
    """Write frames, (h, w, 3) each, at their times, with a sine of the same length."""
    path.parent.mkdir(parents=True, exist_ok=True)
    times = list(pts or range(len(frames)))
    with av.open(str(path), "w", options=options or {}) as out:
        stream: Any = out.add_stream(codec, rate=30)
        stream.height, stream.width = frames[0].shape[:2] if frames else SIZE
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = time_base
        stream.codec_context.thread_count = 1  # with several, the bytes differ from run to run
        stream.options = {"qp": "12", "preset": "veryfast"} if codec == "libx264" else {}
        heard: Any = None if sound is None else out.add_stream(sound, rate=RATE)
        if heard is not None:
            heard.codec_context.layout = "mono"
            write_sine(out, heard, seconds=float((times[-1] + 1 if times else 30) * time_base))
        for picture, time in zip(frames, times):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = time, time_base
            out.mux(stream.encode(frame))
        if frames:
            out.mux(stream.encode())
    return path


def write_sine(out: Any, stream: Any, *, seconds: float) -> None:
    step = stream.codec_context.frame_size or 960
    for start in range(0, round(seconds * RATE), step):
        wave = np.sin(2 * np.pi * 440 * (np.arange(step) + start) / RATE).astype(np.float32) * 0.3
        kind = stream.codec_context.format.name
        samples = wave[None] if kind.startswith("flt") else (wave * 32767).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(samples, format=kind, layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
        out.mux(stream.encode(frame))
    out.mux(stream.encode())


def write_sound(path: Path) -> Path:
    """Write a file that holds sound alone."""
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("aac", rate=RATE)
        stream.codec_context.layout = "mono"
        write_sine(out, stream, seconds=0.5)
    return path


def turned_for_display(path: Path, *, matrix: tuple[int, int, int, int]) -> Path:
    """Write the matrix into the track header of an MP4, in its place."""
    data = bytearray(path.read_bytes())
    at = data.find(b"tkhd") + 4 + 40
    a, b, c, d = matrix
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 0x40000000)
    path.write_bytes(data)
    return path


def with_a_hole(path: Path, *, share: float, length: int) -> Path:
    """Blank some bytes of a file, from this share of it on, as a bad reception does."""
    data = bytearray(path.read_bytes())
    start = int(len(data) * share)
    data[start : start + length] = bytes(length)
    path.write_bytes(data)
    return path


def times_of(path: Path) -> list[Fraction]:
    """Return when each frame is shown, in seconds."""
    with av.open(str(path)) as video:
        stream = video.streams.video[0]
        return [frame.pts * frame.time_base for frame in video.decode(stream)]


def grays_of(path: Path) -> list[np.ndarray]:
    """Return the gray values of each frame."""
    with av.open(str(path)) as video:
        return [frame.to_ndarray(format="gray") for frame in video.decode(video=0)]


def sound_of(path: Path) -> list[tuple[Fraction, bytes]]:
    """Return the packets of sound, with their times."""
    with av.open(str(path)) as video:
        packets = video.demux(video.streams.audio[0])
        return [(packet.pts * packet.time_base, bytes(packet)) for packet in packets if packet.size]
