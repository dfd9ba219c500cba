"""Whether a model's strengths tell images with a planted person from images without: the area under the ROC curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

REQUIRED_AUC: Final = 0.9
RESAMPLES: Final = 2000
LEVEL: Final = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTest:
    """The AUC of a model over `images` clean images, each as it is and with one person planted in it.

    `low` and `high` bound its 95 % interval over images.
    """

    auc: float
    low: float
    high: float
    images: int

    @property
    def is_passed(self) -> bool:
        """Tell whether the AUC is at least `REQUIRED_AUC`."""
        return self.auc >= REQUIRED_AUC

    def __str__(self) -> str:
        """Return the result in words."""
        return f"AUC {self.auc:.2f} ({LEVEL:.0%} interval {self.low:.2f} to {self.high:.2f}, {self.images} images)"


def self_test(plain: Sequence[float], planted: Sequence[float], *, rng: np.random.Generator) -> SelfTest:
    """Compare the strengths of images, in one order, without and with a planted person.

    The AUC is the share of pairs in which the image with the person is the stronger, ties counted half (Mann and
    Whitney 1947). Its interval is a percentile bootstrap over images, each with both of its strengths.

    >>> self_test([1, 2, 3], [2, 3, 4], rng=np.random.default_rng(0)).auc
    0.7777777777777778
    """
    without, with_person = np.asarray(plain, np.float64), np.asarray(planted, np.float64)
    wins = (with_person[:, None] > without) + 0.5 * (with_person[:, None] == without)
    drawn = rng.integers(len(wins), size=(RESAMPLES, len(wins)))
    means = [float(wins[np.ix_(some, some)].mean()) for some in drawn]
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return SelfTest(auc=float(wins.mean()), low=float(low), high=float(high), images=len(wins))


def share_as_strong(strength: float, *, clean: Sequence[float]) -> float:
    """Return the share of clean images that are at least as strong, the image itself counted among them.

    It is the p-value of the image being clean; with n clean images it is at least 1 / (n + 1).
    Source: Vovk et al. 2005, "Algorithmic Learning in a Random World" (conformal p-values).

    >>> share_as_strong(2.5, clean=[1, 2, 3])
    0.5
    """
    return (1 + sum(one >= strength for one in clean)) / (1 + len(clean))
