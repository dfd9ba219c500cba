"""Whether a model's answer lies where the picture is: no shape tells that the plane of a square input is transposed.

A quarter of a picture is exchanged for that of another picture, and the answer changes most in the same quarter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from curation.errors import InputRefused
from curation.images.pixels import Image
from models.prediction.checks.probe import probe_image
from models.prediction.outputs import Scores, person_scores, probabilities
from models.prediction.ready_model import ReadyModel
from models.preprocessing import resized

LEAST_PICTURES: Final = 3
"""Each costs five predictions, and most models are known after these."""
SURELY: Final = 0.1
"""How much more of the change lies where a turned plane has it. Of four trained models, 0.45 to 0.74 of it lies in the
quarter itself, and 0.2 to 0.4 less where any turn would have it."""
LEAST_CHANGE: Final = 1e-3
"""Of a probability, on average; with less there is nothing to see."""
QUARTERS: Final = ("top left", "top right", "bottom left", "bottom right")
TURNS: Final[dict[str, tuple[int, int, int, int]]] = {
    "transposed": (0, 2, 1, 3),
    "turned by 180 degrees": (3, 2, 1, 0),
    "turned by 90 degrees": (1, 3, 0, 2),
    "turned by 270 degrees": (2, 0, 3, 1),
    "upside down": (2, 3, 0, 1),
    "mirrored": (1, 0, 3, 2),
    "transposed and turned": (3, 1, 2, 0),
}
"""In which quarter the answer to each quarter lies."""


def refuse_turned(images: Sequence[Image], *, model: ReadyModel, threads: int) -> None:
    """Raise InputRefused where the answer to quarters of pictures lies in other quarters.

    It looks at pictures until it is sure; where most of them show nobody, it may stay in doubt, and says nothing.
    """
    if not images:
        return
    predictor = model.predictor(threads=threads)
    changes = np.zeros((4, 4))
    for number, (image, other) in enumerate(zip(images, [*images[1:], probe_image()]), start=1):
        one, two = (resized(picture, size=model.card.input_size) for picture in (image, other))
        pictures = [one, *(_exchanged(one, two, quarter=quarter) for quarter in range(4))]
        before, *after = (_probability(predictor.output([picture]), model=model) for picture in pictures)
        changes += [[np.abs(part).mean() for part in _quarters(now - before)] for now in after]
        total = float(changes.sum())
        if not total / (4 * number) >= LEAST_CHANGE:
            continue
        in_place = float(np.trace(changes)) / total
        shares = {turn: float(changes[range(4), where].sum()) / total for turn, where in TURNS.items()}
        turn = max(shares, key=lambda name: shares[name])
        if abs(shares[turn] - in_place) > SURELY and number >= min(LEAST_PICTURES, len(images)):
            if shares[turn] > in_place:
                raise _refused(turn, share=shares[turn], model=model)
            return


def _refused(turn: str, *, share: float, model: ReadyModel) -> InputRefused:
    return InputRefused(
        f"the model's output is {turn}: what the {QUARTERS[1]} of a picture shows, it answers in the "
        f"{QUARTERS[TURNS[turn][1]]} (so does {share:.0%} of what changes with a quarter of a picture)",
        where=model.file,
        remedy="check layout and output_layout in the card; where they are right, export the model again with an "
        "output that lies as its input does",
    )


def _probability(output: NDArray[Any], *, model: ReadyModel) -> Scores:
    found: Scores = probabilities(person_scores(output, card=model.card), card=model.card)[0]
    return found


def _exchanged(image: Image, other: Image, *, quarter: int) -> Image:
    made = image.copy()
    _quarters(made)[quarter][:] = _quarters(other)[quarter]
    return made


def _quarters(picture: NDArray[Any]) -> list[NDArray[Any]]:
    height, width = picture.shape[0] // 2, picture.shape[1] // 2
    top, bottom = picture[:height], picture[height:]
    return [top[:, :width], top[:, width:], bottom[:, :width], bottom[:, width:]]
