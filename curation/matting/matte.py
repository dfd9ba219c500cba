"""From a trimap to an alpha: the band is cut out, matted at a size that is allowed, and put back exactly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images.mask_values import MIDDLE
from curation.images.pixels import Alpha, Image, Mask
from curation.labels.trimaps import UNKNOWN, Trimap, auto_kernel, check_trimap
from curation.matting.closed_form import Prior, closed_form_alpha
from curation.matting.pymatting_door import estimated_alpha
from curation.quarantine import BadRecord, Code

Method = Literal["cf", "knn", "lbdm", "rw"]
MARGIN_PX: Final = 16
"""Around the band: what is sure there tells the colours of person and background."""
BAND_KERNELS: Final = 2.5
"""A band for matting is wider than the one that AiFenGe's alphas need, since a mask is not as exact: 15 pixels for a
person who is 800 pixels tall."""
NARROWEST_BAND_PX: Final = 5
"""Even for a tiny person; a convention."""
BAND_HINT: Final = "give a smaller --band: this one leaves no certain person, or no certain background, of the mask"
PREDICTED_HINT: Final = "give another --model, or a trimap: this model leaves no edge between certain sides"
MIX_HINT: Final = "draw the trimap again: 255 what is surely person, 0 what is surely background, 128 the rest"


@dataclass(frozen=True, slots=True, kw_only=True)
class MattingRules:
    """How alphas are made: the solver, and the pixels of the band's box above which it is scaled down."""

    method: Method = "cf"
    max_pixels: int = 1_000_000


DEFAULT_RULES: Final = MattingRules()


def matte(
    image: Image, *, trimap: Trimap, prior: Prior | None = None, rules: MattingRules = DEFAULT_RULES, file: str = ""
) -> Alpha:
    """Return alpha (h, w) of an image (h, w, 3); it is exactly 0 and 255 where the trimap is sure.

    The closed form alone has a place for a prior. Raises BadRecord: TRIMAP, when the trimap has other values than 0,
    128 and 255, when one of the three is missing, or when the solver finds no solution; SIZE_MISMATCH.
    """
    check_for_matting(trimap, image=image, file=file)
    box = _box(trimap)
    part, known = image[box], trimap[box]
    expected = None if prior is None else replace(prior, alpha=prior.alpha[box])
    scale = min(1.0, (rules.max_pixels / known.size) ** 0.5)
    if scale < 1:
        size = max(SMALLEST_SIDE, round(known.shape[0] * scale)), max(SMALLEST_SIDE, round(known.shape[1] * scale))
        small = _scaled(part, size=size), _smaller_trimap(known, size=size)
        expected = None if expected is None else replace(expected, alpha=_scaled(expected.alpha, size=size))
        solved = _solved(*small, prior=expected, rules=rules, file=file)
        found = _scaled(solved, size=(known.shape[0], known.shape[1]))
    else:
        found = _solved(part, known, prior=expected, rules=rules, file=file)
    alpha = np.where(trimap == SURE, np.uint8(SURE), np.uint8(0))
    alpha[box][known == UNKNOWN] = found[known == UNKNOWN]
    return alpha


SMALLEST_SIDE: Final = 3
"""A window of closed-form matting."""
SURE: Final = 255


def check_for_matting(trimap: Trimap, *, image: Image, file: str) -> None:
    """Refuse a trimap that matting cannot start from, or has nothing to do for; raises BadRecord."""
    if trimap.shape != image.shape[:2]:
        reason = f"the trimap is {trimap.shape}, the image {image.shape[:2]} (height, width)"
        raise BadRecord(Code.SIZE_MISMATCH, reason, file=file)
    try:
        check_trimap(trimap, file=file)
    except BadRecord as problem:
        problem.hint = MIX_HINT
        raise
    if not (trimap == UNKNOWN).any():
        raise BadRecord(Code.TRIMAP, "no pixel is unknown, so there is nothing to matte", file=file, hint=MIX_HINT)


def band_px(mask: Mask) -> int:
    """Return the width of the band in pixels that grows with the person: 15 for one who is 800 pixels tall."""
    return max(NARROWEST_BAND_PX, round(BAND_KERNELS * auto_kernel(mask)))


def trimap_from_values(stored: NDArray[np.uint8], *, file: str) -> Trimap:
    """Return a trimap (0, 128, 255) from a picture that holds one, in any of the ways in use.

    Those are 102 or 127 for 128, and 0, 1, 2. Raises BadRecord: TRIMAP for other values.

    >>> trimap_from_values(np.array([[0, 1, 2]], np.uint8), file="t.png").tolist()
    [[0, 128, 255]]
    >>> trimap_from_values(np.array([[0, 102, 255]], np.uint8), file="t.png").tolist()
    [[0, 128, 255]]
    """
    unknown = unknown_value(stored)
    if unknown is None:
        counts = f"{len(np.unique(stored))} different values; a trimap has 0, 128 and 255"
        raise BadRecord(Code.TRIMAP, counts, file=file, hint=MIX_HINT)
    if unknown == 1:
        return np.array([0, UNKNOWN, SURE], np.uint8)[stored]
    trimap = np.array(stored)
    trimap[stored == unknown] = UNKNOWN
    return trimap


def unknown_value(stored: NDArray[np.uint8]) -> int | None:
    """Return the value that stands for "unknown" in a picture of a trimap, None where it is none.

    >>> unknown_value(np.array([[0, 102, 255]], np.uint8)), unknown_value(np.array([[0, 7, 255]], np.uint8))
    (102, None)
    """
    values = set(np.unique(stored).tolist())
    if values <= {0, 1, 2} and len(values) > 1:
        return 1
    return next((middle for middle in (UNKNOWN, *MIDDLE) if values <= {0, middle, SURE}), None)


def _box(trimap: Trimap) -> tuple[slice, slice]:
    """Return the box around the band with its margin, or the whole frame where that holds more of what is needed."""
    unknown = trimap == UNKNOWN
    rows, columns = np.flatnonzero(unknown.any(axis=1)), np.flatnonzero(unknown.any(axis=0))
    box = (
        slice(max(0, int(rows[0]) - MARGIN_PX), int(rows[-1]) + 1 + MARGIN_PX),
        slice(max(0, int(columns[0]) - MARGIN_PX), int(columns[-1]) + 1 + MARGIN_PX),
    )
    part = trimap[box]
    return box if (part == 0).any() and (part == SURE).any() else (slice(None), slice(None))


def _solved(image: Image, trimap: Trimap, *, prior: Prior | None, rules: MattingRules, file: str) -> Alpha:
    try:
        if rules.method == "cf":
            alpha = closed_form_alpha(image, trimap=trimap, prior=prior)
        else:
            alpha = estimated_alpha(
                image / 255, trimap=np.where(trimap == UNKNOWN, 0.5, trimap / 255), method=rules.method
            )
    except ValueError as error:
        raise BadRecord(Code.TRIMAP, f"no solution is found: {error}", file=file, hint=MIX_HINT) from error
    return np.asarray(np.rint(alpha * 255), np.uint8)


def _scaled(picture: NDArray[np.uint8], *, size: tuple[int, int]) -> NDArray[np.uint8]:
    is_smaller = size[0] < picture.shape[0]
    how = cv2.INTER_AREA if is_smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.ascontiguousarray(picture), size[::-1], interpolation=how), np.uint8)


def _smaller_trimap(trimap: Trimap, *, size: tuple[int, int]) -> Trimap:
    """Return a trimap that is sure only where all that a pixel stands for is."""
    # as float: eight bits would round a share of one pixel in a thousand away
    shares = [
        cv2.resize((trimap == value).astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA)
        for value in (0, SURE)
    ]
    almost_all = 1 - 1e-4
    return np.where(shares[1] > almost_all, SURE, np.where(shares[0] > almost_all, 0, UNKNOWN)).astype(np.uint8)
