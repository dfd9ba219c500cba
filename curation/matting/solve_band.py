"""The equations of matting: sparse, symmetric, one for each unknown pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from curation.matting.pymatting_door import solved

WIDEST: Final = 160
"""Diagonals up to which an exact solution is quicker than to approach it, whose cost does not depend on them: the exact
one takes as many products for each pixel as the square of the diagonals."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Equations:
    """`matrix @ x = right`: the lower triangle by its entries, each place once, and the right side.

    The matrix is symmetric and positive definite.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: NDArray[np.float64]
    right: NDArray[np.float64]


def solve(equations: Equations) -> NDArray[np.float64]:
    """Return x. Raises ValueError when there is no solution.

    Numbered along a band that is long and narrow, equations have few diagonals, and are solved exactly. Those of a wide
    one are left to conjugate gradients.
    """
    below = equations.rows - equations.columns
    width = int(below.max()) + 1
    if width > WIDEST:
        return _approached(equations)
    # scipy is imported here, since most commands need none of it
    from scipy.linalg import LinAlgError, solveh_banded

    # in the order of Fortran, or else the library copies it
    diagonals = np.zeros((width, len(equations.right)), order="F")
    diagonals[below, equations.columns] = equations.values
    try:
        x: NDArray[np.float64] = solveh_banded(
            diagonals, equations.right, lower=True, overwrite_ab=True, check_finite=False
        )
    except LinAlgError:  # hardly definite; the step by step way regularises
        return _approached(equations)
    return x


def _approached(equations: Equations) -> NDArray[np.float64]:
    from scipy.sparse import coo_matrix

    size = len(equations.right)
    lower = coo_matrix((equations.values, (equations.rows, equations.columns)), shape=(size, size))
    is_beside = equations.rows > equations.columns
    upper = coo_matrix(
        (equations.values[is_beside], (equations.columns[is_beside], equations.rows[is_beside])), shape=(size, size)
    )
    return solved((lower + upper).tocsc(), right=equations.right)
