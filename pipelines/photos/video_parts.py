"""The parts of a video that is being made: a file for each segment, so that a run that was stopped goes on after it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from curation.quarantine import BadRecord, Code
from curation.storage.files import make_folder, read_file, write_durable
from curation.videos.encode import Packet
from models.prediction.video.temporal import Flicker

SEGMENT: Final = 48
"""Frames of a segment: what a kill may cost. Every segment begins with a picture that stands for itself."""
LAST: Final = "last"
RUN: Final = "run"
MOST_BYTES: Final = 8 << 30


class Tally(msgspec.Struct, kw_only=True):
    """What was counted from the first frame on: frames, those without a person, without a finite answer, with an edge
    that could not be refined; what flickers (see `Flicker`); the time of the first frame and the end of the last."""

    frames: int = 0
    nobody: int = 0
    unanswered: int = 0
    unrefined: int = 0
    flicker: Flicker = msgspec.field(default_factory=Flicker)
    start_s: float = 0.0
    end_s: float = 0.0


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A segment: packets and (height, width) by kind, what is remembered after it, and the tally up to its end.

    `broken` and `notes` say at the end of the video what was wrong with the file.
    """

    tracks: dict[str, list[Packet]]
    sizes: dict[str, tuple[int, int]]
    memory: bytes
    tally: Tally
    broken: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def begin(folder: Path, *, run: str) -> int:
    """Return the segment with which a run goes on; parts of another run are dropped first.

    The last segment of a video that has all of them is done again: what it was joined to may be missing.
    """
    mark = folder / RUN
    is_same = False
    with suppress(BadRecord):
        is_same = read_file(mark) == run.encode()
    if not is_same and folder.exists():
        shutil.rmtree(folder)
    make_folder(folder)
    write_durable(mark, run.encode())
    number = 0
    while part_file(folder, number) is not None:
        number += 1
    return number - 1 if (found := last_part(folder)) is not None and found < number else number


def part_file(folder: Path, number: int) -> Path | None:
    """Return the file of a segment, None where it is not there."""
    for path in (_path(folder, number, is_last=True), _path(folder, number, is_last=False)):
        if path.is_file():
            return path
    return None


def last_part(folder: Path) -> int | None:
    """Return the number of the last segment, None where it is not done."""
    found = [int(path.name.partition(".")[0]) for path in folder.glob(f"[0-9]*.{LAST}.part")]
    return min(found, default=None)


def write_part(folder: Path, number: int, part: Part, *, is_last: bool) -> None:
    """Write a segment whole."""
    write_durable(_path(folder, number, is_last=is_last), msgspec.msgpack.encode(part))


def read_part(folder: Path, number: int) -> Part:
    """Return a segment; raises BadRecord: UNREADABLE where it is gone or damaged."""
    path = part_file(folder, number)
    try:
        data = b"" if path is None else read_file(path, max_bytes=MOST_BYTES)
        return msgspec.msgpack.decode(data, type=Part)
    except msgspec.DecodeError as error:
        hint = f"delete {folder} and run the same command again"
        raise BadRecord(Code.UNREADABLE, f"segment {number} is damaged", file=path or folder, hint=hint) from error


def packets_of(folder: Path, kind: str) -> Iterator[Packet]:
    """Yield the packets of a kind of all segments, one segment in memory at a time."""
    last = last_part(folder)
    assert last is not None, "the video is done"
    for number in range(last + 1):
        yield from read_part(folder, number).tracks[kind]


def told(part: Part) -> dict[str, Any]:
    """Return what there is to say of a finished video."""
    tally = part.tally
    seconds = max(0.0, tally.end_s - tally.start_s)
    given, raw = (
        None if score is None else round(score, 6) for score in (tally.flicker.score, tally.flicker.raw_score)
    )
    return {
        "frames": tally.frames,
        "seconds": round(seconds, 3),
        "flicker": given,
        "flicker_without_smooth": raw,
        "scene_cuts": tally.flicker.cuts,
        "frames_without_person": tally.nobody,
        "frames_without_answer": tally.unanswered,
        "edges_not_refined": tally.unrefined,
        "broken": list(part.broken),
        "notes": list(part.notes),
    }


def _path(folder: Path, number: int, *, is_last: bool) -> Path:
    return folder / f"{number:06d}{f'.{LAST}' if is_last else ''}.part"
