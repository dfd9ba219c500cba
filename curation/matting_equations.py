"""The equations of matting: sparse, symmetric, one for each unknown pixel."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from curation.matting_library import solved

MAX_BANDED: Final = 40_000_000
"""Numbers in the matrix, stored by its diagonals, up to which an exact solution is quicker than to approach it."""


def solve(matrix: Any, *, right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give x with `matrix @ x = right` for a sparse, symmetric, positive definite matrix in compressed columns.

    The unknown band along an outline is long and narrow: numbered along its length, its equations have few diagonals
    and are solved exactly, several times quicker than step by step. Wide bands are left to conjugate gradients.
    Raises ValueError when there is no solution.
    Source: Cuthill and McKee 1969, "Reducing the bandwidth of sparse symmetric matrices".
    """
    # scipy comes with pymatting; imported here, since most commands need neither
    from scipy.linalg import LinAlgError, solveh_banded  # type: ignore[import-untyped]
    from scipy.sparse.csgraph import reverse_cuthill_mckee  # type: ignore[import-untyped]

    order = reverse_cuthill_mckee(matrix.tocsr(), symmetric_mode=True)
    place = np.empty_like(order)
    place[order] = np.arange(len(order), dtype=order.dtype)
    entries = matrix.tocoo()
    rows, columns = place[entries.row], place[entries.col]
    below = rows - columns
    width = int(below.max()) + 1
    if width * len(right) > MAX_BANDED:
        return solved(matrix, right=right)
    diagonals = np.zeros((width, len(right)))
    is_lower = below >= 0
    diagonals[below[is_lower], columns[is_lower]] = entries.data[is_lower]
    try:
        moved = solveh_banded(diagonals, right[order], lower=True, overwrite_ab=True, check_finite=False)
    except LinAlgError:  # hardly definite; the step by step way regularises
        return solved(matrix, right=right)
    x = np.empty_like(right)
    x[order] = moved
    return x
