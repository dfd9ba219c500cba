"""Where the tests find the repository and the real data, said once: a test that counts folders breaks when it moves."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parents[1]
REAL_DATA: Final = Path(os.environ.get("CURATE_REAL_DATA", REPOSITORY.parent / "shared")).resolve()
"""The folder of real data, named by `$CURATE_REAL_DATA`; by default `shared` beside the repository."""
