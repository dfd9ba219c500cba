"""Broken inputs: the codes they get, the line each leaves in `quarantine.jsonl`, and the exception that carries it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any, Final

import msgspec

from curation.image_uri import told_place

VALUE_EXCERPT_LENGTH: Final = 120
MAX_PATH_LENGTH: Final = 4096
"""A longer path cannot be a file; a record may hold megabytes where a name is expected."""


class Code(StrEnum):
    """Why an input was set aside. The value is what stands in `quarantine.jsonl`."""

    # annotation files
    JSON_VALUE = "JSON_VALUE"
    DUP_ID = "DUP_ID"
    ORPHAN_ANN = "ORPHAN_ANN"
    EMPTY_SEG = "EMPTY_SEG"
    POLY_SHAPE = "POLY_SHAPE"
    POLY_RANGE = "POLY_RANGE"
    RLE_TOTAL = "RLE_TOTAL"
    RLE_SIZE = "RLE_SIZE"
    RLE_DECODE = "RLE_DECODE"
    ZERO_AREA = "ZERO_AREA"
    # image files
    MISSING_FILE = "MISSING_FILE"
    UNREADABLE = "UNREADABLE"
    NOT_IMAGE = "NOT_IMAGE"
    TRUNCATED = "TRUNCATED"
    CHECKSUM = "CHECKSUM"
    TOO_LARGE = "TOO_LARGE"
    MODE = "MODE"
    FORMAT = "FORMAT"
    NAME = "NAME"
    PATH_ESCAPE = "PATH_ESCAPE"
    SIZE_MISMATCH = "SIZE_MISMATCH"
    COLOUR_PROFILE = "COLOUR_PROFILE"
    # pairs, alphas, masks, trimaps
    NO_MASK = "NO_MASK"
    ORPHAN_MASK = "ORPHAN_MASK"
    LABEL_FRAME = "LABEL_FRAME"
    NO_ALPHA = "NO_ALPHA"
    ALPHA_SCALE = "ALPHA_SCALE"
    EMPTY_ALPHA = "EMPTY_ALPHA"
    FULL_ALPHA = "FULL_ALPHA"
    MASK_VALUES = "MASK_VALUES"
    TRIMAP = "TRIMAP"
    KNOWN_BAD = "KNOWN_BAD"
    STRAY_FILE = "STRAY_FILE"
    # annotations that came back
    BRUSH_RLE = "BRUSH_RLE"
    REGION = "REGION"
    AMBIGUOUS_EMPTY = "AMBIGUOUS_EMPTY"
    UNANSWERED = "UNANSWERED"
    CONTRADICTION = "CONTRADICTION"
    # photographs
    UNSUITABLE = "UNSUITABLE"
    CONFLICT = "CONFLICT"
    # videos
    NO_VIDEO = "NO_VIDEO"
    # models
    MODEL_NONFINITE = "MODEL_NONFINITE"
    PERSON_SEEN = "PERSON_SEEN"
    # work
    WORKER_DIED = "WORKER_DIED"
    UNEXPECTED = "UNEXPECTED"


HINTS: Final[dict[Code, str]] = {
    Code.JSON_VALUE: "correct the value in the annotation file",
    Code.DUP_ID: "give each record an id of its own; none of the claimants is used",
    Code.ORPHAN_ANN: "give image_id the id of its image, or delete it; until then it may be on any image",
    Code.EMPTY_SEG: "draw the object, or delete the annotation",
    Code.POLY_SHAPE: "a polygon is a flat list x1, y1, x2, y2, ... of at least 3 points",
    Code.POLY_RANGE: "coordinates are pixels of this image; a coordinate this far outside is a mistake",
    Code.RLE_TOTAL: "the run lengths of an RLE must add up to height x width",
    Code.RLE_SIZE: "the size [height, width] of an RLE must be that of its image",
    Code.RLE_DECODE: "the compressed counts of this RLE do not decode; export the annotation again",
    Code.ZERO_AREA: "the annotation covers no pixel; delete it or draw it again",
    Code.MISSING_FILE: "fetch the file, or check that the images folder is the right one",
    Code.UNREADABLE: "check the permissions; only regular files inside the given folder are read",
    Code.NOT_IMAGE: "fetch the file again; it holds no image",
    Code.TRUNCATED: "fetch the file again; its end is missing",
    Code.CHECKSUM: "the file changed since it was imported; restore it or import again",
    Code.TOO_LARGE: "scale the image down",
    Code.MODE: "save the image as 8-bit RGB or gray",
    Code.FORMAT: "convert to JPEG (a mask, an alpha or a trimap to PNG: JPEG changes its values)",
    Code.NAME: "rename the file; the name must be printable UTF-8 that every file system can hold",
    Code.PATH_ESCAPE: "file names must stay inside the images folder",
    Code.SIZE_MISMATCH: "save the label in the size of its image as displayed, or fetch the image that it belongs to",
    Code.COLOUR_PROFILE: "the sample is used; if its colours look wrong, save the image again with an sRGB profile",
    Code.NO_MASK: "fetch or draw the label of this image, or remove the image",
    Code.ORPHAN_MASK: "fetch the image of this label, or remove the label",
    Code.LABEL_FRAME: "look at both: --label-frame stored turns labels as their images are turned, --label-frame shown "
    "takes them as they are; where the pixels lie upright and EXIF is wrong, take the orientation out of the image",
    Code.NO_ALPHA: "save the cut-out as a PNG with an alpha channel",
    Code.ALPHA_SCALE: "save the alpha on the scale 0..255 (8 bit) or 0..65535 (16 bit)",
    Code.EMPTY_ALPHA: "the alpha shows no person; cut the person out again",
    Code.FULL_ALPHA: "the alpha covers the whole frame; cut the person out again",
    Code.MASK_VALUES: "a mask holds only 0 and 255 (or 0 and 1), and is never saved as JPEG",
    Code.TRIMAP: "choose a smaller --trimap-kernel; this one leaves no certain person",
    Code.KNOWN_BAD: "this record of the public data set is known to be broken; see the catalogue named in the reason",
    Code.STRAY_FILE: "delete the file, or keep it elsewhere",
    Code.BRUSH_RLE: "open the task in Label Studio, correct the mask and submit it again",
    Code.REGION: "open the task, draw with brush, bitmask, polygon, ellipse or rectangle, and submit it again",
    Code.AMBIGUOUS_EMPTY: "open the task in Label Studio: draw the person, or choose that there is none",
    Code.UNANSWERED: "open the task in Label Studio, look at the mask, choose the answer that fits (`fixed` only where "
    "you changed it), and submit it again; then pull again",
    Code.CONTRADICTION: "open the task in Label Studio: where what you drew is right, answer `fixed` and submit it "
    "again; where it was a slip, delete the annotation and answer again; then pull again",
    Code.UNSUITABLE: "take the photograph again, with the whole head and the shoulders in it",
    Code.CONFLICT: "choose another --out, or give --overwrite to replace what is there",
    Code.NO_VIDEO: "give a file that holds moving pictures; where a player shows some, save them anew as MP4 (H.264)",
    Code.MODEL_NONFINITE: "the model is at fault, not the image; train it again with a lower learning rate",
    Code.PERSON_SEEN: "look at the image; where the model is wrong, make the dataset again and give --keep with its id",
    Code.WORKER_DIED: "the file crashes, hangs or exhausts the decoder; open it elsewhere and save it again",
    Code.UNEXPECTED: "please report this with the file",
}


class QuarantineRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `quarantine.jsonl`.

    `image_id` is given for a part of an image, such as one annotation: the id of that image in `file`.
    """

    code: Code
    stage: str
    file: str
    record_id: str | None = None
    image_id: str | None = None
    field: str | None = None
    value_excerpt: str | None = None
    reason: str
    hint: str


def first_of_each(records: Iterable[QuarantineRecord]) -> list[QuarantineRecord]:
    """Return the first record of each sample."""
    found: dict[str | None, QuarantineRecord] = {}
    for record in records:
        found.setdefault(record.record_id, record)
    return list(found.values())


class BadRecord(Exception):
    """One input is broken. It is set aside and the run continues.

    `file` is the path, or the URI, as the user knows it, `record_id` the id inside that file or the sample id,
    `value` whatever was found there.
    """

    def __init__(
        self,
        code: Code,
        reason: str,
        *,
        file: object = "",
        record_id: object = None,
        field: str | None = None,
        value: object = None,
        hint: str = "",
    ) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.file = told_place(file)
        self.record_id = None if record_id is None else str(record_id)
        self.field = field
        self.value = value
        self.hint = hint or HINTS[code]

    def __reduce__(self) -> tuple[Callable[[dict[str, Any]], BadRecord], tuple[dict[str, Any]]]:
        """Let the exception travel between processes."""
        return _from_parts, (vars(self),)

    def record(
        self, *, stage: str, file: object = None, record_id: object = None, image_id: object = None
    ) -> QuarantineRecord:
        """Return the line for `quarantine.jsonl`; `file` and `record_id` fill in what the raiser did not know."""
        known_id = self.record_id if self.record_id is not None else record_id
        return QuarantineRecord(
            code=self.code,
            stage=stage,
            file=printable(self.file or told_place(file or ""))[:MAX_PATH_LENGTH],
            record_id=_excerpt(known_id),
            image_id=_excerpt(image_id),
            field=self.field,
            value_excerpt=None if self.value is None else _excerpt(repr(self.value)),
            reason=printable(self.reason)[:MAX_PATH_LENGTH],
            hint=self.hint,
        )


def _excerpt(value: object) -> str | None:
    return None if value is None else printable(str(value))[:VALUE_EXCERPT_LENGTH]


def _from_parts(parts: dict[str, Any]) -> BadRecord:
    problem = BadRecord(parts["code"], parts["reason"])
    vars(problem).update(parts)
    return problem


def printable(text: str) -> str:
    """Escape what could not be printed or stored: control characters, ANSI sequences, undecodable bytes.

    >>> printable("a\\x1b[31m.jpg")
    'a\\\\x1b[31m.jpg'
    """
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in text
    )
