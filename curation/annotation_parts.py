"""A part of the annotations of a COCO file: decoded by type from the mapped text, and given as columns.

Outside the package `curation.coco`, whose import takes a second process longer than its own start.
"""

from __future__ import annotations

import mmap
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Final, NamedTuple, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from curation.json_keys import ANNOTATION_KEYS, scan_keys

MAX_ID: Final = 2**53
"""Ids beyond this are not exact in JavaScript and in float64 columns."""
ABSENT: Final = msgspec.Raw(b"")
BETWEEN: Final = re.compile(rb"\}\s*(,)\s*\{")
"""Where a list of records can be cut: at the comma. It may also stand inside a record, and then nothing can be read."""
PIECE_BYTES: Final = 1 << 24
"""Decoded together. The records of larger pieces leave the processor's cache, which takes a tenth longer."""
MAX_BLANKS: Final = 64
"""Bytes between the colon and the outline; writers put one there or none."""

Integers: TypeAlias = NDArray[np.int64]
RecordId = Annotated[int, msgspec.Meta(ge=-MAX_ID, le=MAX_ID)]


class Annotation(msgspec.Struct, gc=False):
    """One record of `annotations`.

    `area` and `bbox` are not read: they can lie, the outline cannot. `segmentation` is raw JSON, empty when absent.
    """

    id: RecordId
    image_id: RecordId
    category_id: RecordId
    iscrowd: Annotated[int, msgspec.Meta(ge=0, le=1)] | bool = 0
    segmentation: msgspec.Raw = ABSENT


class _Complete(Annotation, kw_only=True, gc=False):
    segmentation: msgspec.Raw


_RECORDS: Final = msgspec.json.Decoder(list[_Complete])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Columns:
    """The values of a list of annotations as arrays of one length."""

    ids: Integers
    image_ids: Integers
    category_ids: Integers
    is_crowd: NDArray[np.bool_]

    @classmethod
    def of(cls, annotations: Sequence[Annotation]) -> Columns:
        """Take the columns out of the records."""
        count = len(annotations)
        return cls(
            ids=np.fromiter(map(attrgetter("id"), annotations), np.int64, count),
            image_ids=np.fromiter(map(attrgetter("image_id"), annotations), np.int64, count),
            category_ids=np.fromiter(map(attrgetter("category_id"), annotations), np.int64, count),
            is_crowd=np.fromiter(map(attrgetter("iscrowd"), annotations), np.bool_, count),
        )

    @classmethod
    def join(cls, parts: Sequence[Columns]) -> Columns:
        """Put lists after one another; there must be at least one."""
        return cls(
            ids=np.concatenate([part.ids for part in parts]),
            image_ids=np.concatenate([part.image_ids for part in parts]),
            category_ids=np.concatenate([part.category_ids for part in parts]),
            is_crowd=np.concatenate([part.is_crowd for part in parts]),
        )


class Span(NamedTuple):
    """Where some records stand: the bytes of the bracket or comma before the first, and of that after the last."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AnnotationPart:
    """Some annotations in their order: their values, where each outline starts in the file, and its bytes.

    `keys` says how often keys stand between them.
    """

    columns: Columns
    starts: Integers
    lengths: Integers
    keys: Counter[str]

    @classmethod
    def join(cls, parts: Sequence[AnnotationPart]) -> AnnotationPart:
        """Put parts after one another; there must be at least one."""
        return cls(
            columns=Columns.join([part.columns for part in parts]),
            starts=np.concatenate([part.starts for part in parts]),
            lengths=np.concatenate([part.lengths for part in parts]),
            keys=sum((part.keys for part in parts), start=Counter[str]()),
        )


def read_parts(path: Path, *, span: Span) -> list[AnnotationPart]:
    """Read the records of `span`; none unless all are sound, and it is certain which outline belongs to which.

    Two lists that can be read, with a comma between them, are one list that can be read. So nothing hangs on how well
    the places were chosen where a file is cut.
    """
    with path.open("rb") as stream:
        data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)
    # a disguised key would neither be counted nor found
    if data.find(b"\\", *span) >= 0 and data.find(b"\\u", *span) >= 0:
        return []
    places = [span.start]
    while between := BETWEEN.search(data, places[-1] + PIECE_BYTES, span.stop):
        places.append(between.start(1))
    parts = []
    for start, stop in pairwise([*places, span.stop]):
        part = _read_piece(data, span=Span(start, stop))
        if part is None:
            return []
        parts.append(part)
    return parts


def _read_piece(data: mmap.mmap, *, span: Span) -> AnnotationPart | None:
    # changed in the memory of this process only: this saves a copy of the text
    data[span.start], data[span.stop] = b"[]"
    text = memoryview(data)[span.start : span.stop + 1]
    try:
        records = _RECORDS.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    keys = scan_keys(text, keys=ANNOTATION_KEYS, located="segmentation")
    # every record has the key. Spelled without escapes, and as often as there are records, it stands once in each
    if not records or len(keys.places) != len(records):
        return None
    starts = _skip_blanks(text, places=keys.places + 1)
    if starts is None:
        return None
    return AnnotationPart(
        columns=Columns.of(records),
        starts=starts + span.start,
        lengths=np.fromiter(map(len, map(attrgetter("segmentation"), records)), np.int64, len(records)),
        keys=keys.counts,
    )


def _skip_blanks(text: memoryview, *, places: Integers) -> Integers | None:
    data = np.frombuffer(text, np.uint8)
    for _ in range(MAX_BLANKS):
        is_blank = data[places] <= ord(" ")
        if not is_blank.any():
            return places
        places = places + is_blank
    return None
