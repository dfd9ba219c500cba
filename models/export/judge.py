"""Whether a model in another form still predicts what it predicted: on labels where there are some, else on masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from curation.errors import InputRefused
from curation.images.pixels import Image, Mask
from curation.labels.masks import PERSON_FROM, mask_of
from models.card import ModelCard
from models.export.export_onnx import MAX_SHARE_OFF, Checked
from models.metrics.confusion import confusion, image_miou
from models.prediction.outputs import SQUASHED, is_sound, probabilities
from models.prediction.predictor import EnginePredictor
from models.preprocessing import at_size

LEAST_MASK_MIOU: Final = 0.995
"""Of the masks of fp32 and of the exported file, as a mean over the pictures, where these have no labels."""
SHOWN: Final = 3
"""Images and layers that are named when a file is refused."""
NOT_FINITE: Final = "export it in another form; where fp32 gives such numbers too, train it again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A picture, and the mIoU of the masks that a model gives for it before and after."""

    name: str
    miou: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a file predicts beside fp32, over `images` pictures of which `labelled` have a label.

    `before` and `after` are the means of mIoU against the labels, None without any; `masks` is that of the masks
    against those of fp32. `worst` are the pictures whose masks moved most.
    """

    images: int
    labelled: int
    before: float | None
    after: float | None
    masks: float
    worst: tuple[Moved, ...]

    @property
    def loss(self) -> float | None:
        """By how much mIoU fell; None without labels."""
        return None if self.before is None or self.after is None else self.before - self.after

    def is_kept(self, max_loss: float) -> bool:
        """Tell whether mIoU fell by less than `max_loss`, or without labels the masks are the same to 0.995."""
        return self.masks >= LEAST_MASK_MIOU if self.loss is None else self.loss < max_loss


def judged(before: EnginePredictor, after: EnginePredictor, *, card: ModelCard, pictures: Sequence[Checked]) -> Verdict:
    """Return how `after` predicts beside `before`, on pictures.

    Raises InputRefused when a model gives what is no probability, or is not finite.
    """
    mious, moved = [], []
    for picture in pictures:
        wanted, is_decided = _mask(before, picture.image, card=card)
        got, _ = _mask(after, picture.image, card=card)
        moved.append(Moved(name=picture.name, miou=image_miou(confusion(got, truth=wanted, valid=is_decided))))
        if picture.label is not None:
            mious.append([image_miou(confusion(mask, truth=picture.label)) for mask in (wanted, got)])
    means = np.mean(mious, axis=0).tolist() if mious else (None, None)
    return Verdict(
        images=len(moved),
        labelled=len(mious),
        before=means[0],
        after=means[1],
        masks=float(np.mean([one.miou for one in moved])),
        worst=tuple(sorted(moved, key=lambda one: one.miou)[:SHOWN]),
    )


def refuse_moved(
    verdict: Verdict,
    *,
    max_loss: float,
    layers: Callable[[], Sequence[tuple[str, float]] | None],
    what: str,
    is_int8: bool,
    file: Path,
) -> None:
    """Raise InputRefused where a file is not to be published, with the pictures and layers that moved most.

    `layers` gives None where those of the file do not have the names that they have in fp32.
    """
    if verdict.is_kept(max_loss):
        return
    if verdict.loss is None:
        why = f"its masks have mIoU {verdict.masks:.4f} with those of fp32 on {verdict.images} images without labels"
        told = f"{why} (allowed: {LEAST_MASK_MIOU} or more)"
    else:
        why = f"mIoU falls by {verdict.loss:.4f} on {verdict.labelled} labelled images"
        told = f"{why}, from {verdict.before:.4f} to {verdict.after:.4f} (allowed: less than {max_loss:g})"
    images = ", ".join(f"{one.name} ({one.miou:.3f})" for one in verdict.worst)
    if (moved := layers()) is None:
        found = "not told, since in this form they have other names"
    else:
        found = ", ".join(f"{name} (by {share:.0%})" for name, share in moved) or "none of one name and shape in both"
    more = "give --calibrate images that are more like those that it will see, or more of them; " if is_int8 else ""
    last = "export without --int8" if is_int8 else "choose another form with --to"
    raise InputRefused(
        f"{what} does not predict what fp32 predicts, so nothing was written: {told}\n"
        f"    images that moved most, with the mIoU of their masks: {images}\n"
        f"    layers that moved most, as a share of their values: {found}",
        where=file,
        remedy=f"{more}with --data the labels decide instead of the masks, and --max-loss says how much may be lost; "
        f"or {last}",
    )


def layers_moved(before: dict[str, NDArray[Any]], after: dict[str, NDArray[Any]]) -> list[tuple[str, float]]:
    """Return the layers of one name in both whose values moved most, each with the share of its values, in norms.

    >>> layers_moved({"a": np.ones(4), "b": np.ones(4)}, {"a": np.ones(4), "b": np.full(4, 1.5)})
    [('b', 0.5), ('a', 0.0)]
    """
    shares = []
    for name, values in before.items():
        if name in after and after[name].shape == values.shape:
            size = float(np.linalg.norm(values.ravel())) or 1.0
            shares.append((name, float(np.linalg.norm((after[name] - values).ravel())) / size))
    return sorted(shares, key=lambda one: -one[1])[:SHOWN]


def _mask(predictor: EnginePredictor, image: Image, *, card: ModelCard) -> tuple[Mask, NDArray[np.bool_]]:
    """Return the mask of an image, and where it is decided by more than rounding.

    A network that was hardly trained has log-odds that are all the same, or in the thousands: what lies nearer to the
    threshold than `MAX_SHARE_OFF` of the largest is decided by rounding.
    """
    size = (image.shape[0], image.shape[1])
    score = predictor.scores([image])[0]
    if not is_sound(score):
        raise InputRefused("it gives numbers that are not finite", where=predictor.name, remedy=NOT_FINITE)
    probability = probabilities(score, card=card)
    if card.output in SQUASHED:
        near = np.abs(score) <= MAX_SHARE_OFF * np.abs(score).max()
    else:
        near = np.abs(probability - np.float32(PERSON_FROM)) <= MAX_SHARE_OFF
    decided = at_size(near.astype(np.float32), size=size) == 0
    mask = mask_of(at_size(probability, size=size))
    return mask, decided if decided.any() else np.ones(size, np.bool_)
