"""The labels that an alpha or a mask makes: a mask, and where they are asked for an alpha and a trimap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from curation.errors import ConfigurationProblem
from curation.images.pixels import Alpha, Mask
from curation.labels.masks import check_alpha, check_mask, mask_of
from curation.labels.source_images import Verify
from curation.labels.trimaps import auto_kernel, check_trimap, trimap_from_alpha, trimap_from_mask

MAX_THRESHOLD: Final = 254
"""Above it no alpha is a person."""
MAX_KERNEL_PX: Final = 500
"""Beyond it the unknown band swallows the person in any frame that is read."""
CERTAIN: Final = 255
AUTO: Final = "auto"
NO_TRIMAP: Final = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRules:
    """How an alpha or a mask becomes labels, and what every row of the source says.

    A pixel is of the person where alpha > `threshold` (0..255). `trimap_kernel` is the side of the ellipse in pixels
    as text, `auto` or `none`. `auto` scales the ellipse with the person and leaves every soft pixel unknown, so that
    a matting method never gets a certain pixel that its alpha doubts; a number is the plain ellipse around the mask.
    """

    source: str
    license: str | None = None
    threshold: int
    trimap_kernel: str
    verify: Verify
    by_uri: bool = False

    def __post_init__(self) -> None:
        """Refuse rules that cannot work, before the first file is opened."""
        if not 0 <= self.threshold <= MAX_THRESHOLD:
            raise ConfigurationProblem(
                f"--threshold {self.threshold} is outside 0..{MAX_THRESHOLD}",
                remedy="a pixel is person where its alpha is larger than the threshold; AiFenGe uses 50",
            )
        is_number = self.trimap_kernel.isascii() and self.trimap_kernel.isdigit() and len(self.trimap_kernel) <= 4
        is_size = is_number and 0 < int(self.trimap_kernel) <= MAX_KERNEL_PX
        if self.trimap_kernel not in {AUTO, NO_TRIMAP} and not is_size:
            raise ConfigurationProblem(
                f"--trimap-kernel {self.trimap_kernel!r} is no number of pixels from 1 to {MAX_KERNEL_PX}",
                remedy="give a number such as 6, `auto` to scale it with the person, or `none`",
            )

    def folders(self, *, with_alpha: bool) -> tuple[str, ...]:
        """Return the sub-folders of the dataset that these rules fill."""
        has = {"images": True, "masks": True, "alphas": with_alpha, "trimaps": self.trimap_kernel != NO_TRIMAP}
        return tuple(name for name, is_used in has.items() if is_used)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Labels:
    """The label pictures of one sample, all (height, width) uint8, as they are written."""

    mask: Mask
    alpha: Alpha | None
    trimap: NDArray[np.uint8] | None


def labels_of_alpha(alpha: Alpha, *, rules: LabelRules, file: str) -> Labels:
    """Return the labels that an alpha makes; raises BadRecord: EMPTY_ALPHA, FULL_ALPHA, TRIMAP."""
    check_alpha(alpha, file=file, threshold=rules.threshold)
    mask = mask_of(alpha, threshold=rules.threshold)
    return Labels(mask=mask, alpha=alpha, trimap=_trimap(mask, alpha, rules=rules, file=file))


def labels_of_mask(mask: Mask, *, rules: LabelRules, file: str) -> Labels:
    """Return the labels that a binary mask makes; one of 0 alone says that nobody is there, and has no trimap.

    Raises BadRecord: EMPTY_ALPHA for specks, FULL_ALPHA, TRIMAP.
    """
    if not mask.any():
        return Labels(mask=mask, alpha=None, trimap=None)
    check_mask(mask, file=file)
    return Labels(mask=mask, alpha=None, trimap=_trimap(mask, mask, rules=rules, file=file))


def _trimap(mask: Mask, alpha: Alpha, *, rules: LabelRules, file: str) -> NDArray[np.uint8] | None:
    if rules.trimap_kernel == NO_TRIMAP:
        return None
    if rules.trimap_kernel == AUTO:
        trimap = trimap_from_alpha(alpha, threshold=rules.threshold, kernel=auto_kernel(mask))
    else:
        trimap = trimap_from_mask(mask, kernel=int(rules.trimap_kernel))
    if trimap.min() > 0 or trimap.max() < CERTAIN:  # far cheaper than the check, which says what is missing
        check_trimap(trimap, file=file)
    return trimap
