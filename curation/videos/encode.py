"""Pictures as packets of a video, a segment at a time: each stands for itself, and equal ones give equal bytes.

Masks, alphas and class maps are kept without loss, in H.264 of gray pixels of the full range. Colours are H.264 as
players take it, BT.709. What is transparent is ProRes 4444, which editors take; no form with an alpha is known to all.
No frame waits for a later one, so that a packet has the time of its picture, whatever the times are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

import av
import av.error
import msgspec
import numpy as np
from av.codec.context import CodecContext, Flags
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

from curation.errors import EnvironmentProblem
from curation.videos.read import VideoFacts

MPEG: Final = int(ColorRange.MPEG)
FULL: Final = int(ColorRange.JPEG)
BT709: Final = 1
"""Of colour properties (ITU-T H.273)."""
INSTALL: Final = "install PyAV from its wheel, which brings all encoders: pip install --force-reinstall av"
X264: Final[Mapping[str, str]] = {"preset": "veryfast", "weightp": "0"}
"""With a constant quantiser and without weighted prediction: with `crf`, one file of sixty had other bytes of the same
pictures beside a runtime, with these none. Why is not known; x264 sets the rate by sums of floating-point numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How pictures of a kind become a video: codec, pixels, options, and the suffix of the file."""

    codec: str
    pixels: str
    suffix: str
    options: Mapping[str, str] = field(default_factory=dict)


GRAY: Final = Form(codec="libx264", pixels="gray", suffix=".mp4", options={**X264, "qp": "0"})
COLOURS: Final = Form(codec="libx264", pixels="yuv420p", suffix=".mp4", options={**X264, "qp": "18"})
TRANSPARENT: Final = Form(codec="prores_ks", pixels="yuva444p10le", suffix=".mov", options={"profile": "4444"})


class Packet(msgspec.Struct, frozen=True, array_like=True):
    """An encoded picture: its time and duration in ticks, whether decoding may begin with it, and its bytes."""

    pts: int
    duration: int
    is_key: bool
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """A form for pictures of one size, (height, width), and the times of their source."""

    form: Form
    size: tuple[int, int]
    facts: VideoFacts

    @property
    def pixels(self) -> str:
        """Return the pixels: of a size that cannot be halved, colours are kept for each pixel."""
        is_odd = self.size[0] % 2 or self.size[1] % 2
        return "yuv444p" if is_odd and self.form.pixels == "yuv420p" else self.form.pixels

    def set_up(self, codec: VideoCodecContext) -> None:
        """Prepare an encoder, in the same way for a segment and for the file that holds them all."""
        codec.height, codec.width = self.size
        codec.pix_fmt = self.pixels
        codec.time_base = self.facts.time_base
        codec.framerate = self.facts.rate
        codec.thread_count = 1  # with several, the bytes depend on their number
        codec.max_b_frames = 0
        codec.flags |= Flags.global_header
        codec.sample_aspect_ratio = self.facts.pixel_ratio
        codec.color_range = FULL if self.form is GRAY else MPEG
        if self.form is not GRAY:
            codec.colorspace = codec.color_primaries = codec.color_trc = BT709


class Encoder:
    """Turns the pictures of one segment into packets."""

    def __init__(self, track: Track) -> None:
        self._track = track
        self._durations: dict[int, int] = {}
        self._codec = new_codec(track.form)
        self._codec.options = dict(track.form.options)
        track.set_up(self._codec)
        self._packets: list[Packet] = []

    def add(self, picture: NDArray[np.uint8], *, pts: int, duration: int) -> None:
        """Encode a picture of the track's size: (h, w) gray, (h, w, 3) RGB or (h, w, 4) RGBA, later than the last."""
        frame = self._frame(picture)
        frame.pts, frame.time_base = pts, self._track.facts.time_base
        self._durations[pts] = duration
        self._keep(self._codec.encode(frame))

    def end(self) -> list[Packet]:
        """Return all packets of the segment."""
        self._keep(self._codec.encode(None))
        return self._packets

    def _keep(self, packets: Sequence[Any]) -> None:
        for one in packets:
            found = Packet(one.pts, self._durations[one.pts], one.is_keyframe, bytes(one))
            self._packets.append(found)

    def _frame(self, picture: NDArray[np.uint8]) -> VideoFrame:
        assert picture.shape[:2] == self._track.size, f"{picture.shape} is not of {self._track.size}"
        if self._track.form is GRAY:
            frame = VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="gray")
            frame.color_range = FULL
            return frame
        layout = "rgba" if picture.shape[2] == 4 else "rgb24"
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(picture), format=layout)
        return frame.reformat(
            format=self._track.pixels,
            src_color_range=FULL,
            dst_colorspace=int(Colorspace.ITU709),
            dst_color_range=MPEG,
        )


def new_codec(form: Form) -> VideoCodecContext:
    """Return an encoder that is not set up yet; raises EnvironmentProblem where PyAV was built without it."""
    try:
        codec = CodecContext.create(form.codec, "w")
    except (av.error.FFmpegError, ValueError) as error:
        raise EnvironmentProblem(f"this PyAV has no encoder {form.codec}", remedy=INSTALL) from error
    assert isinstance(codec, VideoCodecContext), "these are codecs of pictures"
    return codec


def seconds(pts: int, *, facts: VideoFacts) -> float:
    """Return the time of a frame in seconds."""
    return float(Fraction(pts) * facts.time_base)
