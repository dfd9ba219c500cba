"""From doubts about labels to the probability that they are wrong, by errors planted in these very labels.

How often a doubt is a wrong label depends on the data and on the models. What doubt wrong labels get is measured by
planting errors. How many labels are wrong is not known; it is read off where right labels are rare, among the doubts
above the median of the planted errors. The density of the planted doubts over that of all labels is fitted by isotonic
regression, so that more doubt is never less probable. Sources: Zadrozny and Elkan (2002), "Transforming classifier
scores into accurate multiclass probability estimates"; Elkan and Noto (2008), "Learning classifiers from only positive
and unlabeled data".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

ENOUGH: Final = 40
"""Labels, and planted errors; of fewer, no share can be told."""
CERTAIN: Final = 1 - 1e-9

Doubts = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calibrated:
    """The `probability` (n,) that each label is wrong, and the `share` of wrong labels among all."""

    probability: NDArray[np.float64]
    share: float


def calibrated(doubts: Doubts, *, planted: Doubts) -> Calibrated | None:
    """Return the probability that labels with these doubts (n,) are wrong; `planted` (m,) are doubts of known errors.

    None where there are fewer than 40 of either.

    >>> right, wrong = np.linspace(0, 0.2, 90), np.linspace(0.6, 1, 10)
    >>> found = calibrated(np.concatenate([right, wrong]), planted=np.linspace(0.5, 1, 50))
    >>> round(found.share, 2), found.probability.round(2)[[0, 89, 90, 99]].tolist()
    (0.12, [0.0, 0.0, 1.0, 1.0])
    """
    from scipy.optimize import isotonic_regression  # imported here, since most commands need none of it

    if min(len(doubts), len(planted)) < ENOUGH:
        return None
    middle = np.median(planted)
    share = min(1.0, float((doubts >= middle).mean() / (planted >= middle).mean()))
    every = np.concatenate([planted, doubts])
    is_planted = np.repeat([1.0, 0.0], [len(planted), len(doubts)])
    weight = np.repeat([1 / len(planted), 1 / len(doubts)], [len(planted), len(doubts)])
    _, place = np.unique(every, return_inverse=True)
    weights = np.bincount(place, weight)
    fitted = isotonic_regression(np.bincount(place, weight * is_planted) / weights, weights=weights).x
    ratio = np.minimum(fitted[place[len(planted) :]], CERTAIN)
    return Calibrated(probability=np.minimum(1.0, share * ratio / (1 - ratio)), share=share)
