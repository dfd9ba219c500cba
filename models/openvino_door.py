"""OpenVINO: its one core in a process. The only file that imports it."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any, Final

INSTALL: Final = "pip install 'portrait-curate[models]'"


@cache
def openvino_core() -> Any:
    """Return the one core of this process, kept until it ends.

    Each core puts a signal stack of its own in the place of the one before it, and on its end puts back what it found,
    which a core that ended earlier has unmapped by then: the next signal would crash the process.
    """
    return openvino_package().Core()


def openvino_package() -> Any:
    """Import OpenVINO without its telemetry, which sends an event with every import."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # an import of it now fails, as planned
    import openvino  # type: ignore[import-untyped]

    return openvino


def openvino_operators() -> Any:
    """Return what graphs of OpenVINO are built from."""
    openvino_package()
    from openvino import opset13

    return opset13
