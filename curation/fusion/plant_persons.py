"""Small persons planted in images of which it is known that they show nobody: a truth to test a detector with.

A person cut off by the lower edge of the photograph stands at that of the image: elsewhere the cut would float.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from curation.fusion.placement import MAX_ENLARGEMENT
from curation.fusion.read_photograph import Photograph, read_person
from curation.fusion.standing import NEARLY_CUT
from curation.images.pixels import Alpha, Image
from curation.labels.masks import ALPHA_THRESHOLD, HALF, mask_of
from curation.matting.composite import colours_of_masked, composite, person_colours, soft_alpha

SHARES: Final = (0.01, 0.10)
"""Of the frame: smaller people cannot be made out, and larger ones are what annotators see."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CutOut:
    """A person cut out along her box: colours (h, w, 3), alpha (h, w), and whether the photograph cuts her below."""

    colours: Image
    alpha: Alpha
    is_cut_below: bool

    @property
    def area(self) -> int:
        """Return the number of pixels that are person."""
        return int(np.count_nonzero(self.alpha > HALF))


def cut_out(photograph: Photograph) -> CutOut:
    """Cut the person of a labelled photograph out; raises BadRecord: whatever is wrong with the photograph."""
    image, alpha = read_person(photograph, threshold=ALPHA_THRESHOLD)
    if photograph.label == "mask":
        mask = mask_of(alpha)
        colours, alpha = colours_of_masked(image, mask=mask), soft_alpha(mask)
    else:
        colours = person_colours(image, alpha=alpha)
    rows, columns = (np.flatnonzero((alpha > HALF).any(axis=axis)) for axis in (1, 0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    is_cut = bool(alpha.shape[0] - rows[-1] - 1 <= NEARLY_CUT * alpha.shape[0])
    return CutOut(colours=colours[box], alpha=alpha[box], is_cut_below=is_cut)


def draw_share(rng: np.random.Generator) -> float:
    """Draw which share of a frame a person covers, within `SHARES`: as many from 1 to 3 % as from 3 to 10 %."""
    return float(np.exp(rng.uniform(*np.log(SHARES))))


def planted(background: Image, *, person: CutOut, share: float, rng: np.random.Generator) -> Image | None:
    """Return the background (h, w, 3) with the person on this share of it, at a place that is drawn.

    None where she would not fit, or would be enlarged until her picture is visibly soft.
    """
    height, width = background.shape[:2]
    scale = float(np.sqrt(share * height * width / person.area))
    size = max(1, round(person.alpha.shape[0] * scale)), max(1, round(person.alpha.shape[1] * scale))
    if scale > MAX_ENLARGEMENT or size[0] > height or size[1] > width:
        return None
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    colours, alpha = (
        np.asarray(cv2.resize(one, size[::-1], interpolation=how), np.uint8) for one in (person.colours, person.alpha)
    )
    left, free = int(rng.integers(width - size[1] + 1)), height - size[0]
    top = free if person.is_cut_below else int(rng.integers(free + 1))
    result = background.copy()
    place = slice(top, top + size[0]), slice(left, left + size[1])
    result[place] = composite(colours, alpha=alpha, background=np.ascontiguousarray(result[place]))
    return result
