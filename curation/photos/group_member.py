"""A person cut out of a photograph, for a group picture: the head, the light on the face, and where the body is cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.fusion.head_shape import SOLID, Head, find_head
from curation.fusion.standing import HEADS_OF_WHOLE, NEARLY_CUT
from curation.images.faces import Face
from curation.images.pixels import Alpha, Image
from curation.photos.backdrop import cut_out
from curation.photos.face_light import skin_of
from curation.photos.head_lines import CROWN, HEAD_HALF
from curation.quarantine import BadRecord, Code

Side = Literal["left", "right"]
SUNK: Final = (0.015, 0.06)
"""Of the height of a person whom the photograph's lower edge cuts off, and of one whose body ends before it, so much
lies below the edge of the picture: the last rows are blurred, and what hides a body has no straight edge."""
LEAST_HEAD_PX: Final = 12
"""A smaller head of an outline is a blot of the model."""
NO_FACE: Final = "no face is found, so the head is found from the outline; check that it is as large as the others"
ENDS_INSIDE: Final = "the body ends inside of the photograph without feet, so the picture's lower edge cuts it off"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Member:
    """A person cut out of a photograph: colours (h, w, 3) and alpha (h, w) of the box around them.

    `head` is the largest of `heads`, all that must stay in sight; `skin` the colour (3,) of its cheeks, in grey levels,
    None without a face. `sunk` is the share of the height, from below, that the picture must not show, None for who is
    seen down to the feet; `cut_sides` are the photograph's sides that cut the person off.
    """

    colours: Image
    alpha: Alpha
    head: Head
    heads: tuple[Head, ...]
    skin: NDArray[np.float64] | None = None
    sunk: float | None = None
    cut_sides: frozenset[Side] = frozenset()
    warnings: tuple[str, ...] = ()


def member_of(image: Image, *, alpha: Alpha, most_head: int, faces: Sequence[Face] = (), file: str = "") -> Member:
    """Return the people of an image (h, w, 3) as one member, with a head no taller than `most_head` pixels.

    The head is that of the largest of `faces` on the person, else that of the outline. Raises BadRecord: EMPTY_ALPHA
    for nobody, UNSUITABLE where the photograph cuts off the head.
    """
    solid = alpha > SOLID
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    if not len(rows):
        raise BadRecord(Code.EMPTY_ALPHA, "there is no person", file=file)
    box = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
    if solid[0].any():
        reason = "the person touches the upper edge of the photograph, so that the head is cut off or has no space"
        raise BadRecord(Code.UNSUITABLE, reason, file=file, hint="use a photograph with space above the head")
    edges: tuple[tuple[Side, int], ...] = (("left", 0), ("right", -1))
    cut_sides = frozenset(side for side, column in edges if solid[:, column].any())
    to_part = np.array([[1.0, 0.0, -columns[0]], [0.0, 1.0, -rows[0]]])
    part = alpha[box]
    on_person = sorted(faces_on(alpha, faces=faces), key=lambda one: -one.eye_distance)
    heads = tuple(_head_of(face.moved(to_part), alpha=part) for face in on_person) or _head_by_outline(part, file=file)
    scale = min(1.0, most_head / heads[0].height)
    sunk = _sunk(part, head=heads[0], below=len(alpha) - int(rows[-1]) - 1, frame=len(alpha), has_face=bool(on_person))
    warnings = [] if on_person else [NO_FACE]
    warnings += [ENDS_INSIDE] if sunk == SUNK[1] else []
    return Member(
        colours=_scaled(cut_out(image[box], alpha=part), scale=scale),
        alpha=_scaled(part, scale=scale),
        head=_scaled_head(heads[0], scale=scale),
        heads=tuple(_scaled_head(head, scale=scale) for head in heads),
        skin=skin_of(image, face=on_person[0]) if on_person else None,
        sunk=sunk,
        cut_sides=cut_sides,
        warnings=tuple(warnings),
    )


def faces_on(alpha: Alpha, *, faces: Sequence[Face]) -> list[Face]:
    """Return the faces whose eyes lie on the person of an alpha (h, w)."""
    found = []
    for face in faces:
        x, y = (int(one) for one in face.between_eyes)
        if 0 <= y < alpha.shape[0] and 0 <= x < alpha.shape[1] and alpha[y, x] > SOLID:
            found.append(face)
    return found


def resized(picture: NDArray[np.uint8], *, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a picture (h, w, ...) in another size (height, width), averaged where it becomes smaller."""
    how = cv2.INTER_AREA if size[0] <= picture.shape[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(np.ascontiguousarray(picture), size[::-1], interpolation=how), np.uint8)


def _head_of(face: Face, *, alpha: Alpha) -> Head:
    """Return the head of a face: the crown as the eyes tell it, or the top of the person where that is lower.

    A face that is turned shows its eyes nearer to one another, one that is bent shows its chin nearer to them; eyes lie
    half way between crown and chin.
    """
    middle, eyes = face.between_eyes
    unit = max(face.eye_distance, (face.chin[1] - eyes) / CROWN)
    columns = slice(max(0, round(middle - HEAD_HALF * unit)), max(1, round(middle + HEAD_HALF * unit)))
    rows = np.flatnonzero((alpha[:, columns] > SOLID).any(axis=1))
    top = float(rows[0]) if len(rows) else 0.0
    crown = round(max(0.0, top, eyes - CROWN * unit))
    return Head(crown=crown, chin=max(crown + 1, round(eyes + CROWN * unit)), middle=middle, is_sure=True)


def _head_by_outline(alpha: Alpha, *, file: str) -> tuple[Head, ...]:
    head = find_head(alpha)
    if head is None or head.height < LEAST_HEAD_PX:
        reason = "no face is found, and no head in the outline of the person"
        raise BadRecord(Code.UNSUITABLE, reason, file=file, hint="use a photograph in which the person is larger")
    return (head,)


def _sunk(alpha: Alpha, *, head: Head, below: int, frame: int, has_face: bool) -> float | None:
    """Return which share of the height, from below, is not to be seen; None for a whole person.

    `below` is the number of rows below the person in a `frame` of so many. Only a face tells a head for certain, and so
    whether who ends before the lower edge is seen down to the feet.
    """
    if below <= NEARLY_CUT * frame:
        return SUNK[0]
    return SUNK[1] if has_face and len(alpha) - head.crown < HEADS_OF_WHOLE * head.height else None


def _scaled_head(head: Head, *, scale: float) -> Head:
    crown = round(head.crown * scale)
    return Head(
        crown=crown, chin=max(crown + 1, round(head.chin * scale)), middle=head.middle * scale, is_sure=head.is_sure
    )


def _scaled(picture: NDArray[np.uint8], *, scale: float) -> NDArray[np.uint8]:
    size = max(1, round(picture.shape[0] * scale)), max(1, round(picture.shape[1] * scale))
    return picture if scale == 1 else resized(picture, size=size)
