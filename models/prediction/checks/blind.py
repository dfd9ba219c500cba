"""Whether a teacher tells anything: one that sees nobody anywhere, or nothing but persons, teaches nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from curation.errors import InputRefused
from curation.images.pixels import decode_gray
from curation.labels.masks import mask_of
from curation.storage.files import read_file


def refuse_blind(answers: Sequence[Path], *, model: Path, asked: int, enough: int = 1) -> list[str]:
    """Return a warning where a model sees nobody in any of the images for which it was `asked`, or takes the whole of
    each for a person, [] where it does not.

    `answers` are its stored probabilities; an image for which it gave nothing that is finite has none. Raises
    InputRefused in place of the warning where `enough` images were asked for.
    """
    told = _told(answers, asked=asked) if asked else None
    if told is None:
        return []
    if asked < enough:
        return [f"{model.stem} {told}"]
    raise InputRefused(
        f"this teacher {told}",
        where=model,
        remedy="compare its card with what made it (channels, mean, std, person_index), or name another model",
    )


def _told(answers: Sequence[Path], *, asked: int) -> str | None:
    if not answers:
        return f"gives nothing for any of {asked} images"
    shows_somebody = shows_background = False
    for file in answers:  # the first photograph usually ends it
        mask = mask_of(decode_gray(read_file(file), file=str(file)))
        shows_somebody |= bool(mask.any())
        shows_background |= not mask.all()
        if shows_somebody and shows_background:
            return None
    what = "takes the whole of each of" if shows_somebody else "sees nobody in any of"
    return f"{what} {len(answers)} images" + (" for a person" if shows_somebody else "")
