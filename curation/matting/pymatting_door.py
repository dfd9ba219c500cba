"""The door to pymatting: the only file that imports it.

The import compiles with numba. That takes a minute or two once on a machine, and a second or two afterwards, so it
happens where a solver is first needed. `compile_once` is for the parent of many workers, which would each compile.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float64]
"""(height, width) or (height, width, 3), 0..1: what pymatting computes with."""
OtherMethod = Literal["knn", "lbdm", "rw"]
TOLERANCE: Final = 1e-6
"""Of the residual, as a share of the right side: alphas are then within a grey level of the exact solution."""
MAX_STEPS: Final = 10_000


def compile_once() -> None:
    """Import pymatting, which fills numba's cache on the disk when it is empty."""
    import pymatting  # noqa: F401


def estimated_foreground(image: Plane, *, alpha: Plane) -> Plane:
    """Return the colours of the foreground alone.

    Source: Germer et al. 2020, "Fast Multi-Level Foreground Estimation".
    """
    from pymatting.foreground.estimate_foreground_ml import estimate_foreground_ml

    colours: Plane = estimate_foreground_ml(image, alpha)
    return colours


def estimated_alpha(image: Plane, *, trimap: Plane, method: OtherMethod) -> Plane:
    """Return alpha, (height, width), 0..1, by a solver of pymatting as it stands.

    Source: Chen et al. 2013, "KNN matting"; Zheng and Kambhamettu 2009, "Learning based digital matting"; Grady et al.
    2005, "Random walks for interactive alpha-matting". Raises ValueError when a solver does not converge.
    """
    from pymatting import estimate_alpha_knn, estimate_alpha_lbdm, estimate_alpha_rw

    solvers = {"knn": estimate_alpha_knn, "lbdm": estimate_alpha_lbdm, "rw": estimate_alpha_rw}
    alpha: Plane = solvers[method](image, trimap)
    return alpha


def solved(matrix: Any, *, right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return x (n,) with `matrix @ x = right` (n,), for a sparse (CSC), symmetric and positive definite (n, n) matrix.

    Conjugate gradients with an incomplete Cholesky factor. Raises ValueError when they do not converge.
    """
    from pymatting import cg, ichol

    x: NDArray[np.float64] = cg(matrix, right, M=ichol(matrix), rtol=TOLERANCE, maxiter=MAX_STEPS)
    return x
