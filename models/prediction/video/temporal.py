"""What is remembered from frame to frame of one video: the smoothed prediction, and how much the mask flickers.

Smoothing is exponential in logits: of what was said before, moved along with the image, a share is kept that falls with
the time between the frames. Nothing is kept where the image does not fit what was there, and nothing over a scene cut.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from curation.images.pixels import Gray, Image, Probability
from curation.labels.masks import PERSON_FROM
from models.card import ModelCard
from models.prediction.outputs import class_probabilities
from models.prediction.predictor import Answer
from models.prediction.video.motion import Motion, Plane, carried, grid_of, motion
from models.preprocessing import at_size

Shares = NDArray[np.float32]
"""(classes, height, width) float32, adding up to 1: the probability of each class at the size of the model's output."""
FLOOR: Final = np.float32(0.005)
"""Probabilities nearer to 0 count as this: one frame that is certain of an error would else outweigh many."""
DOUBT: Final = 3.0
"""Gray values that differ by more than so many times what is usual in the frame do not belong together."""
LEAST_DOUBT: Final = 4.0
"""What is usual in a frame without noise, in gray values."""


@dataclass(slots=True, kw_only=True)
class Flicker:
    """How much masks change where the image does not move: sums over pairs of frames, raw and as they are given.

    `pairs` had still parts; `cuts` are scene cuts, over which nothing is compared.
    """

    raw: float = 0.0
    given: float = 0.0
    pairs: int = 0
    cuts: int = 0

    @property
    def score(self) -> float | None:
        """Return the mean change of the masks as they are given, 0..1; None where nothing was still."""
        return self.given / self.pairs if self.pairs else None

    @property
    def raw_score(self) -> float | None:
        """Return that of the masks before they were smoothed."""
        return self.raw / self.pairs if self.pairs else None


@dataclass(slots=True, eq=False)
class Memory:
    """What is remembered of one video: the grid of the last frame, its masks on it, its logits, and its time.

    `lasting_s` is the time after which what was said counts a third; None smooths nothing. `is_trimap` says that the
    classes are background, unknown and person; else person is every class but the first.
    """

    lasting_s: float | None
    is_trimap: bool = False
    flicker: Flicker = field(default_factory=Flicker)
    _arrays: dict[str, NDArray[Any]] = field(default_factory=dict)

    def seen(self, image: Image, shares: Shares, *, time_s: float) -> Shares:
        """Return the shares of the next frame, (h, w, 3), smoothed."""
        grid = grid_of(image)
        before = self._arrays.get("grid")
        found = None if before is None or before.shape != grid.shape else motion(grid, before=before)
        if found is not None and found.is_cut:
            self.flicker.cuts += 1
            found = None
        given = shares if self.lasting_s is None else self._smoothed(shares, found, grid=grid, time_s=time_s)
        masks = {name: self._mask(one, grid=grid) for name, one in (("raw", shares), ("given", given))}
        if found is not None and found.is_still.any():
            self.flicker.raw += self._change("raw", masks["raw"], found=found)
            self.flicker.given += self._change("given", masks["given"], found=found)
            self.flicker.pairs += 1
        self._arrays |= {"grid": grid, "time": np.array(time_s), **masks}
        return given

    def dump(self) -> bytes:
        """Return what is remembered, to go on from here in another process."""
        stored = {name: (str(one.dtype), one.shape, one.tobytes()) for name, one in self._arrays.items()}
        return msgspec.msgpack.encode(stored)

    def load(self, data: bytes) -> None:
        """Remember what another process remembered."""
        stored = msgspec.msgpack.decode(data, type=dict[str, tuple[str, tuple[int, ...], bytes]])
        self._arrays = {name: np.frombuffer(one, kind).reshape(shape) for name, (kind, shape, one) in stored.items()}

    def _smoothed(self, shares: Shares, found: Motion | None, *, grid: Gray, time_s: float) -> Shares:
        logits = np.log(np.maximum(shares, FLOOR))
        kept = self._arrays.get("logits")
        if found is not None and kept is not None and kept.shape == logits.shape:
            assert self.lasting_s is not None, "without it, nothing is smoothed"
            passed_s = max(0.0, time_s - float(self._arrays["time"]))
            share = np.float32(math.exp(-passed_s / self.lasting_s)) * _trust(found, size=logits.shape[1:])
            moved = np.stack([carried(plane, flow=found.flow) for plane in kept])
            logits = share * moved + (1 - share) * logits
        self._arrays["logits"] = logits
        return _shares(logits)

    def _mask(self, shares: Shares, *, grid: Gray) -> NDArray[np.bool_]:
        person = cv2.resize(person_in(shares, is_trimap=self.is_trimap), grid.shape[::-1])
        return np.asarray(person >= PERSON_FROM, np.bool_)

    def _change(self, name: str, mask: NDArray[np.bool_], *, found: Motion) -> float:
        return float((mask != self._arrays[name])[found.is_still].mean())


def shares_of(answer: Answer, *, card: ModelCard) -> Shares:
    """Return what a model says of a frame as shares of its classes: parts of a person, a trimap's, or two."""
    person, background = answer.probability, answer.background
    if answer.planes is not None:
        shares: Shares = class_probabilities(answer.planes[None], card=card)[0]
        return shares
    if background is not None:
        return np.stack([background, 1 - background - person, person])
    return np.stack([1 - person, person])


def person_in(shares: Shares, *, is_trimap: bool) -> Probability:
    """Return the probability of person, (h, w), of shares of classes.

    >>> shares = np.array([[[0.5]], [[0.3]], [[0.2]]], np.float32)
    >>> [person_in(shares, is_trimap=is_trimap).tolist() for is_trimap in (True, False)]
    [[[0.20000000298023224]], [[0.5]]]
    """
    person: Probability = shares[-1] if is_trimap else 1 - shares[0]
    return person


def _trust(found: Motion, *, size: tuple[int, ...]) -> Plane:
    """Return 0..1 at `size` (height, width): how far what was there before is what is there now."""
    usual = max(LEAST_DOUBT, float(np.median(found.residual)))
    trust = np.clip(2 - found.residual / (DOUBT * usual), 0, 1).astype(np.float32)
    flow, (height, width) = found.flow, trust.shape
    rows, columns = np.mgrid[:height, :width]
    x, y = columns + flow[..., 0], rows + flow[..., 1]
    trust[(x < -1) | (x > width) | (y < -1) | (y > height)] = 0  # it came into the frame just now
    return at_size(trust, size=(size[0], size[1]))


def _shares(logits: Shares) -> Shares:
    """Return the shares of logits, whose floor becomes 0 again and whose ceiling 1."""
    powers = np.exp(logits - logits.max(axis=0))
    shares = powers / powers.sum(axis=0)
    classes = len(logits)
    lowest = FLOOR / (1 + (classes - 1) * FLOOR)
    found: Shares = np.clip((shares - lowest) / (1 - classes * lowest), 0, 1)
    return found.astype(np.float32, copy=False)
