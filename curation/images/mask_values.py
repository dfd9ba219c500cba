"""Masks that other tools wrote on scales of their own, read as the user says; and what to say where nobody has said."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from curation.errors import ConfigurationProblem, InputRefused

PERSON_VALUE: Final = re.compile(r"(?P<low>[0-9]{1,5})(?:-(?P<high>[0-9]{1,5}))?")
HIGHEST: Final = 65535
VOID: Final = 255
"""The value of pixels that nobody labelled, in PASCAL VOC and in Cityscapes, where it is not that of a person."""
MIDDLE: Final = (102, 127, 128)
"""What stands for "unknown" between 0 and 255: 255 x 0.4 and 255 / 2, rounded down or up."""
FEW: Final = 32
"""Masks of classes have fewer values, and anti-aliased outlines have more."""
CUT: Final = 127
VALUES_SHOWN: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskValues:
    """Which pixels of a mask are of the person: those above `threshold` (of 0..255), or from `low` to `high`.

    With a range, the value that stands for "not labelled" is `ignored`: 255, or, where 255 is a person's, 102, 127 and
    128. Where 0 is a person's, the mask has no such value.
    """

    threshold: int | None = None
    low: int = 0
    high: int = 0

    @property
    def ignored(self) -> tuple[int, ...]:
        """The values of pixels that are neither of the person nor of the background."""
        if self.threshold is not None or self.low == 0:
            return ()
        values = MIDDLE if self.low <= VOID <= self.high else (VOID,)
        return tuple(value for value in values if not self.low <= value <= self.high)

    def meaning(self) -> str:
        """Return how values are read, in words."""
        if self.threshold is not None:
            return f"person is what is above {self.threshold} of 255"
        ignored = f"; not labelled (ignores/): {', '.join(map(str, self.ignored))}" if self.ignored else ""
        return f"person: {self.person}{ignored}; all else is background"

    @property
    def person(self) -> str:
        """The value of the person's pixels, or its range, in words."""
        return f"{self.low}" if self.low == self.high else f"{self.low} to {self.high}"

    def is_person(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Tell which values, (h, w) or (n,) of any dtype, are those of a person."""
        return np.asarray((values >= self.low) & (values <= self.high))


def person_values(text: str) -> MaskValues:
    """Return what `--person-value` means; raises ConfigurationProblem for what is neither a number nor a range.

    >>> person_values("15").ignored, person_values("1-255").ignored, person_values("255").ignored
    ((255,), (), (102, 127, 128))
    """
    found = PERSON_VALUE.fullmatch(text)
    low, high = (int(found["low"]), int(found["high"] or found["low"])) if found else (1, 0)
    if not 0 <= low <= high <= HIGHEST:
        raise ConfigurationProblem(
            f"--person-value {text!r} is neither a value nor a range of values",
            remedy=f"give the value of the person's pixels, such as 15, or a range such as 1-20 (0 to {HIGHEST})",
        )
    return MaskValues(low=low, high=high)


def refuse_absent(asked: MaskValues, *, masks: Iterable[NDArray[Any]], where: Path) -> None:
    """Raise InputRefused, naming the values that there are, where no mask (h, w) holds a person's.

    It reads masks, with any number as a value, up to the first that does.

    Such masks would all be read as masks of nobody. Where no mask can be read at all, it raises nothing.
    """
    seen: Counter[int] = Counter()
    looked_at = 0
    for mask in masks:
        values = np.unique(mask)
        if asked.is_person(values).any():
            return
        seen.update(values.tolist())
        looked_at += 1
    if not seen:
        return
    shown = ", ".join(f"{value} (in {count:,})" for value, count in seen.most_common(VALUES_SHOWN))
    more = f" and {len(seen) - VALUES_SHOWN:,} more values" if len(seen) > VALUES_SHOWN else ""
    raise InputRefused(
        f"none of the {looked_at:,} masks holds the person's value, {asked.person}; they hold {shown}{more}",
        where=where,
        remedy="give --person-value with a value that they hold; masks of 0 and 255, or of 0 and 1, need none",
    )


def mask_hint(values: NDArray[np.generic], *, is_jpeg: bool) -> str:
    """Return how `curate pairs` or `hf` takes a mask that holds these values (n,), each once, in ascending order.

    >>> mask_hint(np.array([0, 254]), is_jpeg=False)
    '--person-value 254 takes 254 as the person and the rest as background (1-255: all but 0)'
    """
    whole = [int(value) for value in values.tolist()]
    if is_jpeg:
        said = f"`curate pairs --threshold {CUT}` takes masks and mattes of JPEG files: person is what is larger"
    elif len(whole) > FEW:
        said = (
            "soft edges are an alpha: `curate pairs --alphas DIR`, `curate hf --alpha-column NAME`; or "
            f"`curate pairs --threshold {CUT}` makes a hard mask of each"
        )
    elif len(whole) == 3 and whole[0] == 0 and whole[1] in MIDDLE and whole[2] == VOID:
        said = (
            f"--person-value 255 takes 255 as the person and {whole[1]} as not labelled; if these are trimaps, "
            "`curate matte IMAGE --trimap FILE --out ALPHA` makes alphas of them"
        )
    elif len(whole) <= 2:
        said = (
            f"--person-value {whole[-1]} takes {whole[-1]} as the person and the rest as background (1-255: all but 0)"
        )
    else:
        said = (
            "--person-value V, or A-B, says which value is the person's (VOC: 15); 255 beside it is then not labelled, "
            "all else is background"
        )
    return said
