"""How surely the outline of a label tells whether it lies as its image is stored or as it is shown.

Each real portrait with its real label is turned by EXIF orientations whose size does not tell: 2, 3, 4, and 6 of its
middle square. Its label is right once, and once lies in the stored frame.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from curation.images.orientation import turned
from curation.images.pixels import Image, Mask, decode_image, decode_mask
from curation.labels.label_frame import check_frame
from curation.quarantine import BadRecord
from curation.sources.labels_from_alpha import fitted
from tests.bench.measuring import say, sized
from tests.places import REAL_DATA

SETS = ("portraits", "eg1800")
TURNS = (2, 3, 4, 6)
INVERSE = {2: 2, 3: 3, 4: 4, 6: 8}
"""The orientation that undoes an orientation."""


def bench() -> None:
    """Print, for each orientation, what is said of labels in the stored frame, and of right ones."""
    say("\nlabels of turned images, told by their outlines: not turned | turned with their image")
    for name in SETS:
        said = {(turn, is_right): Counter[str]() for turn in TURNS for is_right in (False, True)}
        for file, image, mask in _labelled(REAL_DATA / "data" / name):
            for turn in TURNS:
                shown, label = (_square(image), _square(mask)) if turn == 6 else (image, mask)
                for is_right in (False, True):
                    given = label if is_right else turned(label, orientation=INVERSE[turn])
                    said[turn, is_right][_said(shown, given, turn=turn, file=file)] += 1
        for turn in TURNS:
            say(f"  {name}, orientation {turn}: {_counted(said[turn, False])} | {_counted(said[turn, True])}")


def _counted(said: Counter[str]) -> str:
    return ", ".join(f"{what} {said[what]}" for what in sorted(said))


def _said(image: Image, label: Mask, *, turn: int, file: str) -> str:
    try:
        doubt = check_frame(image, label=label, orientation=turn, file=file)
    except BadRecord:
        return "set aside"
    return "taken" if doubt is None else "not known"


def _square(array: Image) -> Image:
    side = min(array.shape[:2])
    top, left = ((length - side) // 2 for length in array.shape[:2])
    return np.ascontiguousarray(array[top : top + side, left : left + side])


def _labelled(folder: Path) -> Iterator[tuple[str, Image, Mask]]:
    for path in sorted((folder / "images").iterdir())[: sized(1_000_000, short=2)] if folder.is_dir() else ():
        image = decode_image(path.read_bytes(), file=path.name)
        mask = decode_mask((folder / "masks" / f"{path.stem}.png").read_bytes(), file=path.name)
        mask = fitted(mask, size=(image.shape[0], image.shape[1]))
        yield path.name, image, np.where(mask > 127, np.uint8(255), np.uint8(0))
