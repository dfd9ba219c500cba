"""The frames of a video as they are displayed: upright, in RGB, each at its own time, and what is broken in the file.

What cannot be read is counted and never skipped in silence. Where a file is cut off, the frames before are good.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from curation.images.pixels import Image
from curation.images.thumbnails import scaled
from curation.quarantine import BadRecord, Code
from curation.videos.pictures import picture_of

USUAL_RATE: Final = Fraction(25)
"""Of a video that says nothing of its rate."""
SHORT_S: Final = 1.0
"""A video whose frames end by more than this before its end, as the file tells it, was cut off."""
HDR: Final = frozenset({16, 18})
"""Transfer functions PQ and HLG (ITU-T H.273, table 3)."""
FORMS: Final = "mov,matroska,avi,mpegts,mpeg,mpegvideo,m4v,h264,hevc,ivf,flv,asf,ogg,mxf,dv,gif"
"""The forms that are opened. Playlists are not among them: they name other files, and places in the network."""
SAFE: Final = {"protocol_whitelist": "file", "format_whitelist": FORMS}
CUT_OFF: Final = "the frames before are done; copy the file again and give --overwrite for the rest"


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFacts:
    """What a video says of itself: `rate` in frames a second, `frames` an estimate (0: unknown), times in `time_base`
    seconds, (height, width) as displayed, and the ratio of a pixel's width to its height."""

    rate: Fraction
    frames: int
    time_base: Fraction
    size: tuple[int, int]
    pixel_ratio: Fraction = Fraction(1)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """A frame (h, w, 3) RGB as displayed, its number from 0, its time and duration in ticks of the time base."""

    image: Image
    number: int
    pts: int
    duration: int


@dataclass(slots=True, kw_only=True)
class Damage:
    """What could not be read: packets that do not decode or miss some bytes, frames with errors, times that were made
    up, sizes that changed, and whether the file is cut off, at `end_s` seconds."""

    lost: int = 0
    corrupt: int = 0
    retimed: int = 0
    resized: int = 0
    is_cut_off: bool = False
    end_s: float = 0.0

    def told(self) -> list[str]:
        """Return what is broken, in words."""
        told = []
        if self.is_cut_off:
            told.append(f"the file is cut off; its pictures end at {self.end_s:.2f} s")
        if self.lost or self.corrupt:
            told.append(f"{self.lost} packets are damaged, and {self.corrupt} frames have errors")
        return told

    def notes(self) -> list[str]:
        """Return what was changed to make a sound video of it, in words."""
        told = []
        if self.retimed:
            told.append(f"{self.retimed} frames have no time of their own, or that of the frame before; they got one")
        if self.resized:
            told.append(f"{self.resized} frames have another size than the first; they are scaled to it")
        return told


@dataclass(slots=True, eq=False)
class OpenVideo:
    """A video that is being read; `damage` grows while `frames` yields."""

    file: Path
    container: InputContainer
    stream: VideoStream
    facts: VideoFacts
    damage: Damage = field(default_factory=Damage)

    def close(self) -> None:
        """Close the file."""
        self.container.close()

    def frames(self) -> Iterator[Frame]:
        """Yield every frame that decodes, in order of time."""
        last: int | None = None
        tick = max(1, round(1 / self.facts.rate / self.facts.time_base))
        for number, frame in enumerate(self._decoded()):
            pts = frame.pts
            if pts is None or (last is not None and pts <= last):
                self.damage.retimed += 1
                pts = 0 if last is None else last + (tick if pts is None else 1)
            duration = frame.duration or tick
            last, self.damage.end_s = pts, float((pts + duration) * self.facts.time_base)
            image = picture_of(frame)
            if image.shape[:2] != self.facts.size:
                self.damage.resized += 1
                image = scaled(image, size=self.facts.size)
            yield Frame(image=image, number=number, pts=pts, duration=duration)
        expected = _expected_end(self.container, self.stream)
        if expected is not None and float(expected) - self.damage.end_s > SHORT_S:
            self.damage.is_cut_off = True

    def _decoded(self) -> Iterator[VideoFrame]:
        for packet in self._packets():
            try:
                found = self.stream.decode(packet)
            except av.error.FFmpegError:
                self.damage.lost += 1
                continue
            self.damage.lost += packet.is_corrupt  # what it lacks, and frames around it, the decoder makes up or drops
            for frame in found:
                self.damage.corrupt += frame.is_corrupt
                yield frame
        with suppress(av.error.FFmpegError):  # what the decoder still holds
            yield from self.stream.decode(None)

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        """Yield the packets of pictures. Of the last one nothing is taken where its end is missing."""
        packets, held = self.container.demux(self.stream), None
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError:
                self.damage.is_cut_off, packet = True, None
            if packet is not None and not packet.size:  # an empty one would end the decoding
                continue
            if held is not None and held.is_corrupt and packet is None:
                self.damage.is_cut_off = True
            elif held is not None:
                yield held
            if packet is None:
                return
            held = packet


def open_video(file: Path) -> OpenVideo:
    """Return a video whose first frame decodes; raises BadRecord: MISSING_FILE, UNREADABLE, TRUNCATED, NO_VIDEO."""
    container = open_container(file)
    try:
        stream = _pictures(container, file=file)
        stream.thread_type = "SLICE"  # threads over frames lose those before an error
        first = next(OpenVideo(file, container, stream, _NO_FACTS)._decoded(), None)
    finally:
        container.close()
    if first is None:
        raise BadRecord(Code.NO_VIDEO, "not one frame of it decodes", file=file)
    container = open_container(file)  # anew: not every form can be wound back
    stream = _pictures(container, file=file)
    stream.thread_type = "SLICE"
    return OpenVideo(file, container, stream, _facts(stream, container=container, first=first))


_NO_FACTS: Final = VideoFacts(rate=USUAL_RATE, frames=0, time_base=Fraction(1, 1000), size=(0, 0))


def open_container(file: Path) -> InputContainer:
    """Open a file; raises BadRecord: MISSING_FILE, UNREADABLE, TRUNCATED, NO_VIDEO."""
    try:
        return av.open(str(file.absolute()), options=dict(SAFE), metadata_errors="replace")
    except FileNotFoundError:
        raise BadRecord(Code.MISSING_FILE, "the file does not exist", file=file) from None
    except (PermissionError, IsADirectoryError) as error:
        raise BadRecord(Code.UNREADABLE, (error.strerror or str(error)).lower(), file=file) from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        if _lacks_index(file):
            reason = "its index (the box `moov`) is missing: the file was cut off, or its recording was not finished"
            raise BadRecord(Code.TRUNCATED, reason, file=file, hint="copy the file again, or record it again") from None
        said = getattr(error, "strerror", None) or str(error)
        is_empty = file.is_file() and not file.stat().st_size
        reason = "the file is empty" if is_empty else f"does not open as a video: {said.lower()}"
        raise BadRecord(Code.NO_VIDEO, reason, file=file) from error


def _pictures(container: InputContainer, *, file: Path) -> VideoStream:
    """Return the stream of moving pictures; a cover, which some files of sound have, is none."""
    for stream in container.streams.video:
        if not stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails):
            if stream.codec_context is None:
                raise BadRecord(Code.NO_VIDEO, "no decoder for its pictures", file=file)
            return stream
    kinds = sorted({stream.type for stream in container.streams})
    raise BadRecord(Code.NO_VIDEO, f"it holds no moving pictures, but {', '.join(kinds) or 'nothing'}", file=file)


def _facts(stream: VideoStream, *, container: InputContainer, first: VideoFrame) -> VideoFacts:
    rate = stream.average_rate or stream.guessed_rate or USUAL_RATE
    time_base = stream.time_base or 1 / rate
    image = picture_of(first)
    ratio = stream.sample_aspect_ratio or Fraction(1)
    is_turned = image.shape[:2] != (first.height, first.width)
    end = _expected_end(container, stream)
    told = stream.frames or (0 if end is None else round(float(end - (stream.start_time or 0) * time_base) * rate))
    notes = []
    if first.color_trc in HDR:
        notes.append("this is HDR video; its colours are taken as they are, and the model may have seen none like it")
    if texts := len(container.streams.subtitles):
        notes.append(f"streams of subtitles that are not written: {texts}")
    return VideoFacts(
        rate=rate,
        frames=max(0, told),
        time_base=time_base,
        size=(image.shape[0], image.shape[1]),
        pixel_ratio=1 / ratio if is_turned else ratio,
        notes=tuple(notes),
    )


def _expected_end(container: InputContainer, stream: VideoStream) -> Fraction | None:
    """Return where the pictures end in seconds, as the file tells it; None where it does not tell."""
    if stream.duration is not None and stream.time_base is not None:
        return ((stream.start_time or 0) + stream.duration) * stream.time_base
    told = stream.metadata.get("DURATION", "")
    with suppress(ValueError):
        hours, minutes, seconds = told.split(":")
        return Fraction(int(hours) * 3600 + int(minutes) * 60) + Fraction(seconds)
    if container.duration is not None and not container.streams.audio and "matroska" in container.format.name:
        return Fraction(container.duration, 1_000_000)
    return None


def _lacks_index(file: Path) -> bool:
    """Tell whether a file begins as MP4 or MOV do, and none of its boxes is the index."""
    with suppress(OSError), file.open("rb") as stream:
        size, at = file.stat().st_size, 0
        kinds: list[bytes] = []
        while at + 8 <= size and len(kinds) < 1000:
            stream.seek(at)
            head = stream.read(16)
            length = int.from_bytes(head[:4], "big")
            kinds.append(head[4:8])
            length = int.from_bytes(head[8:16], "big") if length == 1 else length
            if length < 8:
                break
            at += length
        return kinds[:1] == [b"ftyp"] and b"moov" not in kinds
    return False
