"""Segments joined to one video file, with the sound of the source: nothing is encoded twice, no time is changed."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import av.error
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.video.stream import VideoStream

from curation.storage.files import telling_where
from curation.videos.encode import Packet, Track
from curation.videos.read import open_container

Timed = tuple[Fraction, int, Any]
"""When a packet is due, which stream it is of (pictures first), and the packet."""
DAMAGED: Final = (av.error.InvalidDataError, av.error.ArgumentError)
"""What a packet raises whose bytes, or whose time, are none: a disk that is full raises another."""
MOST_TICKS: Final = 2**31 - 1
RE_ENCODED: Final = "aac"


def join(
    target: Path, *, packets: Iterable[Packet], track: Track, sound_of: Path, fallback: str = RE_ENCODED
) -> tuple[str, ...]:
    """Write a video of the packets of all segments, in order, with every stream of sound of the source.

    Sound is copied; where the form of the file cannot hold it, it is encoded once more as AAC, and a note says so.
    What is damaged of it is left out, and counted in a note.
    Returns notes. Raises EnvironmentProblem where the file cannot be written.
    """
    lost = Lost()
    with telling_where(target), closing(open_container(sound_of)) as source:
        copied = _can_copy(source, target=target)
        ticks = min(track.facts.time_base.denominator, MOST_TICKS)
        options = {"movie_timescale": str(ticks)}  # else the start is rounded to a thousandth of a second
        with av.open(str(target), "w", options=options, format=target.suffix[1:]) as out:
            pictures = out.add_stream(track.form.codec, rate=track.facts.rate, options=dict(track.form.options))
            assert isinstance(pictures, VideoStream), "this is a codec of pictures"
            track.set_up(pictures.codec_context)
            pictures.time_base = track.facts.time_base
            sounds = [
                out.add_stream_from_template(stream) if copied else _encoded_stream(out, stream, codec=fallback)
                for stream in source.streams.audio
            ]
            heard = (_copied if copied else _encoded)(source, sounds=sounds, lost=lost)
            for _, place, packet in heapq.merge(_seen(packets, stream=pictures), heard, key=lambda timed: timed[:2]):
                with lost.counted() if place else nullcontext():
                    out.mux(packet)
    notes = [] if copied else [_encoded_note(sound_of, suffix=target.suffix, codec=fallback)]
    return (*notes, *lost.notes())


@dataclass(slots=True)
class Lost:
    """The packets of sound that are damaged, or have no time, and are left out."""

    packets: int = 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count a packet that cannot be used; a file that cannot be written still raises."""
        try:
            yield
        except DAMAGED:
            self.packets += 1

    def notes(self) -> list[str]:
        """Return what was left out, in words."""
        return [f"damaged packets of the sound that are left out: {self.packets}"] if self.packets else []


def _can_copy(source: InputContainer, *, target: Path) -> bool:
    """Tell whether a file of this suffix holds all the sound as it is; one is begun beside the target to see."""
    trial = target.with_name(f"{target.stem}.trial{target.suffix}")
    try:
        with av.open(str(trial), "w", format=target.suffix[1:]) as out:
            for stream in source.streams.audio:
                out.add_stream_from_template(stream)
            out.start_encoding()
        return True
    except (av.error.FFmpegError, ValueError):
        return not source.streams.audio
    finally:
        trial.unlink(missing_ok=True)


def _encoded_note(file: Path, *, suffix: str, codec: str) -> str:
    with closing(open_container(file)) as source:
        names = ", ".join(sorted({stream.codec_context.name for stream in source.streams.audio}))
    return f"the sound ({names}) has no place in {suffix}; it is encoded as {codec}"


def _encoded_stream(out: OutputContainer, stream: AudioStream, *, codec: str) -> AudioStream:
    made = out.add_stream(codec, rate=stream.codec_context.sample_rate)
    assert isinstance(made, AudioStream), "this is a codec of sound"
    made.codec_context.layout = stream.codec_context.layout
    made.codec_context.thread_count = 1
    return made


def _seen(packets: Iterable[Packet], *, stream: Any) -> Iterator[Timed]:
    time_base = stream.time_base
    for one in packets:
        packet: Any = av.Packet(one.data)
        packet.stream, packet.time_base = stream, time_base
        packet.pts = packet.dts = one.pts
        packet.duration, packet.is_keyframe = one.duration, one.is_key
        yield one.pts * time_base, 0, packet


def _demuxed(source: InputContainer) -> Iterator[Any]:
    """Yield the packets of sound, up to where the file is cut off."""
    if source.streams.audio:
        with suppress(av.error.FFmpegError):
            yield from (packet for packet in source.demux(*source.streams.audio) if packet.size)


def _copied(source: InputContainer, *, sounds: Sequence[AudioStream], lost: Lost) -> Iterator[Timed]:
    for packet in _demuxed(source):
        place = [stream.index for stream in source.streams.audio].index(packet.stream.index)
        if packet.is_corrupt or packet.dts is None:
            lost.packets += 1
            continue
        due = packet.dts * packet.time_base
        packet.stream = sounds[place]
        yield due, 1 + place, packet


def _encoded(source: InputContainer, *, sounds: Sequence[AudioStream], lost: Lost) -> Iterator[Timed]:
    resamplers = [
        AudioResampler(format=made.codec_context.format, layout=made.codec_context.layout, rate=made.rate)
        for made in sounds
    ]
    due = [Fraction(0)] * len(sounds)
    for packet in _demuxed(source):
        place = [stream.index for stream in source.streams.audio].index(packet.stream.index)
        with lost.counted():  # what does not decode is silence
            for frame in packet.decode():
                for even in resamplers[place].resample(frame):
                    for made in sounds[place].encode(even):
                        due[place] = max(due[place], (made.dts or 0) * made.time_base)
                        yield due[place], 1 + place, made
    for place, stream in enumerate(sounds):
        for made in (one for even in [*resamplers[place].resample(None), None] for one in stream.encode(even)):
            yield max(due[place], (made.dts or 0) * made.time_base), 1 + place, made
